/**
 * What goes to the terminal: results to stdout, everything else to stderr. Colours only where stderr or
 * stdout is a terminal and NO_COLOR is not set. Text from elsewhere (names, messages, logs' metadata) loses
 * its control characters, so that it cannot move the cursor.
 */
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

const coloured = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";

export const paint = (style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  coloured(stream) ? styleText(style, text, { validateStream: false }) : text;

/** One line of a result. */
export const print = (line: string): void => void process.stdout.write(`${line}\n`);
/** One line that is not part of the result. */
export const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Without control characters; a line break becomes a space. */
export const plain = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  text.replace(/[\r\n\t]+/g, " ").replace(/[\u0000-\u001f\u007f-\u009f]/g, "");

/** 850 ms, 12.3 s, 6 min 40 s */
export function seconds(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const total = milliseconds / 1000;
  if (total < 60) return `${total.toFixed(1)} s`;
  return `${Math.floor(total / 60)} min ${String(Math.floor(total % 60)).padStart(2, "0")} s`;
}

/** How long ago, as kubectl writes it: 45s, 12m, 3h, 5d. */
export function age(date: Date | undefined, now = Date.now()): string {
  if (!date) return "";
  const past = Math.max(0, Math.floor((now - date.getTime()) / 1000));
  if (past < 120) return `${past}s`;
  if (past < 7200) return `${Math.floor(past / 60)}m`;
  if (past < 172_800) return `${Math.floor(past / 3600)}h`;
  return `${Math.floor(past / 86_400)}d`;
}

const quickMs = 300;

/**
 * Does one piece of work and shows its name with the time that it takes: redrawn each second on a terminal,
 * elsewhere a line at its end. Work that is done within 300 ms shows nothing unless it fails.
 */
export async function progress<T>(name: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const elapsed = (): string => seconds(performance.now() - began);
  const isTerminal = process.stderr.isTTY === true;
  const redraw = (): void => {
    process.stderr.write(`\r\x1b[2K${name} … ${elapsed()}`.slice(0, (process.stderr.columns ?? 100) + 4));
  };
  const timer = isTerminal ? setInterval(redraw, 1000) : undefined;
  timer?.unref();
  try {
    const result = await work();
    if (isTerminal) process.stderr.write("\r\x1b[2K");
    if (performance.now() - began >= quickMs)
      say(`${paint("green", "✓", process.stderr)} ${name} ${elapsed()}`);
    return result;
  } catch (error) {
    if (isTerminal) process.stderr.write("\r\x1b[2K");
    say(`${paint("red", "✗", process.stderr)} ${name} ${elapsed()}`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}
