/**
 * How an attempt ended, from what its container left behind. Pure.
 *
 * A task's runner leaves a report in the termination message, which is the whole result. Without one (killed,
 * crashed, exited) the exit code, the pod's reason and a disruption decide. Of an inline container the exit
 * code decides; its output is the object at FAIRLEAD_OUTPUT_URL, else the termination message.
 */
import { terminationMessageBytes } from "@fairlead/protocol/limits";
import type { Report } from "@fairlead/protocol/report";
import type { OutputRef, RunError } from "../model/resources.ts";
import type { AttemptEnd } from "../model/run/event.ts";
import { parseMark, parseReport } from "../model/run/report.ts";
import { outOfMemory } from "../model/run/settle.ts";
import { isHeapFull } from "./heap.ts";
import type { ContainerEnd } from "./podObserver.ts";
import type { Program } from "./program.ts";

/** An inline container's output, read by the controller. */
export interface ContainerOutput {
  ref: OutputRef;
  copy?: unknown;
}

const signals: Record<number, string> = {
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  15: "SIGTERM",
};

const quoted = 800;

/** The report that a task's container left, if it is about this attempt. */
export function reportOf(end: ContainerEnd, attempt: number, podUid: string | undefined): Report | undefined {
  const report = parseReport(end.terminationMessage);
  return report && report.attempt === attempt && (!podUid || report.podUid === podUid) ? report : undefined;
}

/**
 * The end of a container that left no report: an inline container, or a task's that was killed or exited
 * early.
 */
export function endOfContainer(
  program: Pick<Program, "kind">,
  end: ContainerEnd,
  output?: ContainerOutput,
): AttemptEnd {
  const times = { startedAt: end.startedAt, finishedAt: end.finishedAt, exitCode: end.exitCode };
  const mark = program.kind === "task" ? parseMark(end.terminationMessage) : undefined;
  const detail = mark ? " It had been asked to stop." : quoteMessage(end.terminationMessage);
  if (end.disruption) {
    const { reason, message } = end.disruption;
    const text = `The cluster took the pod away: ${message || reason}`;
    return {
      outcome: "Infrastructure",
      reason,
      message: text,
      error: { name: reason, message: text },
      ...times,
    };
  }
  if (end.reason === "OOMKilled") {
    const message = "The container used more memory than its limit and was killed. Choose a larger machine.";
    return { ...failure("Crashed", outOfMemory, message, false), ...times };
  }
  if (isHeapFull(end.exitCode, end.terminationMessage)) {
    const message = "The JavaScript heap was full. Choose a larger machine: the heap grows with its memory.";
    return { ...failure("Crashed", outOfMemory, message, false), ...times };
  }
  if (end.reason === "DeadlineExceeded") {
    const message = "The pod ran into its deadline.";
    return { ...failure("TimedOut", "DeadlineExceeded", message, false), ...times };
  }
  if (end.exitCode === undefined) {
    const message = `The pod failed before its container ran: ${end.message || end.reason}`;
    return { ...failure("Failed", end.reason, message, true), ...times };
  }
  const signal = signals[end.signal ?? end.exitCode - 128];
  if (signal && end.exitCode > 128) {
    const message = `The container was killed by ${signal} (exit code ${end.exitCode}).${detail}`;
    return { ...failure("Crashed", "Killed", message, true), ...times };
  }
  if (end.exitCode !== 0) {
    const message = `The container exited with code ${end.exitCode}.${detail}`;
    return { ...failure("Failed", "ExitCode", message, true), ...times };
  }
  if (program.kind === "task") {
    const message = `The container exited with code 0 without a report of the task's result.${detail}`;
    return { ...failure("Failed", "NoReport", message, true), ...times };
  }
  if (!output && Buffer.byteLength(end.terminationMessage) >= terminationMessageBytes) {
    const message = `The termination message was cut off at ${terminationMessageBytes} bytes: PUT the output to the URL in FAIRLEAD_OUTPUT_URL instead.`;
    return { ...failure("Failed", "OutputTooLarge", message, false), ...times };
  }
  return {
    outcome: "Completed",
    reason: "Completed",
    message: "The container exited with code 0.",
    output: output?.copy,
    outputRef: output?.ref,
    ...times,
  };
}

function failure(
  outcome: "Failed" | "Crashed" | "TimedOut",
  reason: string,
  message: string,
  retryable: boolean,
): AttemptEnd & { error: RunError } {
  const short = message.length > 1000 ? `${message.slice(0, 997)}...` : message;
  return { outcome, reason, message: short, retryable, error: { name: reason, message: short } };
}

/** What the container wrote about its failure; without a message of its own that is the end of its log. */
function quoteMessage(message: string): string {
  const text = message.trim();
  if (text === "") return "";
  return ` It said: ${text.length > quoted ? `…${text.slice(-quoted)}` : text}`;
}

/** Media type of an inline container's termination message. */
export function typeOfText(text: string): string {
  try {
    JSON.parse(text);
    return "application/json";
  } catch {
    return "text/plain";
  }
}
