/**
 * The container's termination message: the kubelet keeps it whatever happens to the API. Always JSON, and
 * always shorter than Kubernetes' limit, where it would be cut, and cut JSON says nothing. protocol/report.ts
 * has its states.
 */
import { writeFileSync } from "node:fs";
import { terminationMessageBytes } from "@fairlead/protocol/limits";
import { type Progress, type Report, type ReportHead, reportVersion } from "@fairlead/protocol/report";

const byteLimit = terminationMessageBytes - 1;
const nameBytes = 256;
const messageBytes = 2000;

export class TerminationMessage {
  readonly #path: string;
  readonly #head: ReportHead;
  #settled = false;

  constructor(path: string, head: Omit<ReportHead, "v">) {
    this.#path = path;
    this.#head = { v: reportVersion, ...head };
  }

  get settled(): boolean {
    return this.#settled;
  }

  mark(progress: Progress): void {
    if (!this.#settled) this.#write(JSON.stringify({ ...this.#head, ...progress }));
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
 * The report as a termination message. What is in the bucket too goes first, then the end of the stack, then
 * of the message. Throws when the output is in the report only and does not fit: ask `fits` before.
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

/**
 * The longest beginning whose JSON form has at most `limit` bytes, with an ellipsis when something was cut.
 */
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
