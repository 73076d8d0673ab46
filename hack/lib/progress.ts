/**
 * Progress of scripts. `step` runs one piece of work and shows its name with the elapsed time: on a terminal
 * in one line that is redrawn every second, elsewhere (a log) as a line at the start, every 30 seconds and at
 * the end. Steps may overlap; then only whole lines are written. Everything goes to stderr: stdout is for a
 * command's result.
 */

export interface Step {
  /** The current activity, shown beside the name. */
  update(detail: string): void;
}

export interface StepOptions {
  /** Written after the name at once, e.g. "first build takes about 7 minutes". */
  note?: string;
  /** A step that succeeds in less time prints nothing. */
  quietBelowMs?: number;
}

const out = process.stderr;
const open = new Set<object>();

export function say(line: string): void {
  clearLine();
  out.write(`${line}\n`);
}

export async function step<T>(
  name: string,
  work: (step: Step) => Promise<T>,
  options: StepOptions = {},
): Promise<T> {
  const started = performance.now();
  const title = options.note ? `${name} (${options.note})` : name;
  const token = {};
  open.add(token);
  let detail = "";
  const elapsed = () => seconds(performance.now() - started);
  const line = () => `${title}${detail ? `: ${detail}` : ""} … ${elapsed()}`;
  if (!out.isTTY && !options.quietBelowMs) say(`  ${title} …`);
  const timer = setInterval(
    () => {
      if (!out.isTTY) say(`  ${line()}`);
      else if (open.size === 1) redraw(line());
    },
    out.isTTY ? 1000 : 30_000,
  );
  timer.unref();
  if (out.isTTY && open.size === 1) redraw(line());
  const end = () => {
    clearInterval(timer);
    open.delete(token);
  };
  try {
    const result = await work({
      update(text) {
        detail = text;
        if (out.isTTY && open.size === 1) redraw(line());
      },
    });
    end();
    if (performance.now() - started >= (options.quietBelowMs ?? 0)) say(`✓ ${name} ${elapsed()}`);
    else clearLine();
    return result;
  } catch (error) {
    end();
    say(`✗ ${name} ${elapsed()}`);
    throw error;
  }
}

/** 850 ms, 12.3 s, 6 min 40 s */
export function seconds(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const total = milliseconds / 1000;
  if (total < 60) return `${total.toFixed(1)} s`;
  return `${Math.floor(total / 60)} min ${String(Math.round(total % 60)).padStart(2, "0")} s`;
}

function redraw(text: string): void {
  clearLine();
  out.write(text.slice(0, (out.columns ?? 100) - 1));
}

function clearLine(): void {
  if (out.isTTY) out.write("\r\x1b[2K");
}
