/**
 * The container's termination message: the kubelet keeps it whatever happens to the API. Always JSON, always under
 * 4,096 bytes (Kubernetes cuts at that length, and cut JSON says nothing).
 *
 *   started ─► stopping ─► a report          each replaces the one before; nothing replaces a report
 *      └──────────────────────▲
 *
 * `started` alone, after a kill: the process did not even react to SIGTERM, its event loop was blocked.
 * `stopping`, after a kill: it was told to stop, and the task's code did not end within the grace period.
 * `stopping`, after an exit: the task's code ended because it was told to; there is no result to report.
 */
import { writeFileSync } from "node:fs";
import type { Report } from "../../operator/src/model/run/report.ts";
import type { StopReason } from "../../sdk/src/context.ts";

/** What the message says before there is a result. */
export type Mark =
  | { outcome: "started" }
  /** `reason` follows as soon as the API told it. */
  | { outcome: "stopping"; stoppingAt: string; reason?: StopReason["type"] };

const byteLimit = 4095;
const nameBytes = 256;
const messageBytes = 2000;

export class TerminationMessage {
  readonly #path: string;
  readonly #head: Pick<Report, "v" | "attempt" | "podUid" | "startedAt">;
  #settled = false;

  constructor(path: string, head: Pick<Report, "attempt" | "podUid" | "startedAt">) {
    this.#path = path;
    this.#head = { v: 1, ...head };
  }

  get settled(): boolean {
    return this.#settled;
  }

  mark(mark: Mark): void {
    if (!this.#settled) this.#write(JSON.stringify({ ...this.#head, ...mark }));
  }

  /** False when the message could not be written: then only the API can know the result. */
  settle(report: Report): boolean {
    if (this.#settled) return true;
    this.#settled = true;
    return this.#write(terminationMessage(report));
  }

  /** Synchronous: nothing may end the process in between, and it works while it exits. */
  #write(text: string): boolean {
    try {
      writeFileSync(this.#path, text);
      return true;
    } catch (error) {
      process.stderr.write(`fairlead: the termination message cannot be written: ${error}\n`);
      return false;
    }
  }
}

/**
 * The report as a termination message. What is in the bucket too goes first, then the end of the stack, then of
 * the message. Throws when the output is in the report only and does not fit: ask `fits` before.
 */
export function terminationMessage(report: Report): string {
  const whole = JSON.stringify(report);
  if (Buffer.byteLength(whole) <= byteLimit) return whole;
  const { output, error } = report;
  if (output?.key && output.data !== undefined) {
    return terminationMessage({ ...report, output: { ...output, data: undefined } });
  }
  if (!error)
    throw new RangeError(`an output of ${output?.size} bytes does not fit into a termination message`);
  const short = { ...error, name: cutToBytes(error.name, nameBytes), message: "", stack: "" };
  const room = (): number => byteLimit - Buffer.byteLength(JSON.stringify({ ...report, error: short }));
  short.message = cutToBytes(error.message, Math.min(messageBytes, room()));
  short.stack = cutToBytes(error.stack ?? "", room());
  return JSON.stringify({ ...report, error: short });
}

/** Whether the whole report fits, its output's copy included. */
export const fits = (report: Report): boolean => Buffer.byteLength(JSON.stringify(report)) <= byteLimit;

/** The longest beginning whose JSON form has at most `limit` bytes, with an ellipsis when something was cut. */
function cutToBytes(text: string, limit: number): string {
  if (jsonBytes(text) <= limit) return text;
  const ellipsis = "…";
  let left = limit - jsonBytes(ellipsis);
  let end = 0;
  for (const character of text) {
    left -= jsonBytes(character);
    if (left < 0) break;
    end += character.length;
  }
  return limit < jsonBytes(ellipsis) ? "" : text.slice(0, end) + ellipsis;
}

const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;
