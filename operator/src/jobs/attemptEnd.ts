/**
 * How an attempt ended, from what its container left behind. Pure.
 *
 * A task's runner leaves a report in the termination message, which is the whole result. Without one (killed,
 * crashed, exited) the exit code, the pod's reason and a disruption decide. Of an inline container the exit
 * code decides; its output is the object at FAIRLEAD_OUTPUT_URL, else the termination message.
 */
import { terminationMessageBytes } from "@fairlead/protocol/limits";
import type { Report } from "@fairlead/protocol/report";
import type { OutputRef } from "../model/resources.ts";
import type { AttemptEnd } from "../model/run/event.ts";
import { parseMark, parseReport } from "../model/run/report.ts";
import { outOfMemory } from "../model/run/settle.ts";
import { endRowOf } from "./attemptEnds.ts";
import { type EndRow, explain, type Facts } from "./endRow.ts";
import { isHeapFull } from "./heap.ts";
import type { ContainerEnd } from "./podObserver.ts";
import type { Program } from "./program.ts";

/** An inline container's output, read by the controller. */
export interface ContainerOutput {
  ref: OutputRef;
  copy?: unknown;
}

const signals: Record<number, string> = {
  ...{ 1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS" },
  ...{ 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM" },
  ...{ 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS" },
};

/** What a signal may mean, where its name does not say it. */
const hints: Record<string, string> = {
  SIGILL: " Was the image built for another CPU?",
  SIGKILL: " Perhaps it was out of memory.",
  SIGXFSZ: " It wrote a file that is larger than allowed.",
};

const quoted = 800;

/** The report that a task's container left, if it is about this attempt. */
export function reportOf(end: ContainerEnd, attempt: number, podUid: string | undefined): Report | undefined {
  // The runtime may write a sentence of its own in front of what the program left.
  const report = parseReport(
    end.terminationMessage.slice(Math.max(0, end.terminationMessage.indexOf('{"v":'))),
  );
  return report && report.attempt === attempt && (!podUid || report.podUid === podUid) ? report : undefined;
}

/** Whether the end is known as it is, whatever the kubelet says next. */
export const isConclusive = (end: ContainerEnd, attempt: number, podUid: string | undefined): boolean =>
  reportOf(end, attempt, podUid) !== undefined || (end.reason === outOfMemory && end.exitCode !== 0);

/**
 * The end of a container that left no report: an inline container, or a task's that was killed or exited
 * early. The tables of attemptEnds.ts first; what they do not name, the exit code decides.
 */
export function endOfContainer(
  program: Pick<Program, "kind">,
  end: ContainerEnd,
  output?: ContainerOutput,
): AttemptEnd {
  return {
    ...endOf(program, end, output),
    ...{ startedAt: end.startedAt, finishedAt: end.finishedAt, exitCode: end.exitCode },
  };
}

function endOf({ kind }: Pick<Program, "kind">, end: ContainerEnd, output?: ContainerOutput): AttemptEnd {
  const { exitCode, terminationMessage } = end;
  // What it was asked to answer is there.
  const hasAnswered = exitCode === 0 && output !== undefined;
  if (end.disruption && !hasAnswered) return ofTable("takenAway", end.disruption);
  if (exitCode === undefined) return ofTable("refused", end);
  if (isHeapFull(exitCode, terminationMessage)) {
    const message = "The JavaScript heap was full. Choose a larger machine: the heap grows with its memory.";
    return failure("Crashed", outOfMemory, message, false);
  }
  const mark = kind === "task" ? parseMark(terminationMessage) : undefined;
  if (mark && end.reason !== outOfMemory) {
    const message = `The attempt had been asked to stop (SIGTERM), but not by Fairlead: its node did (exit code ${exitCode}).`;
    return lost("Terminated", message);
  }
  const detail = mark ? "" : quoteMessage(terminationMessage);
  const facts = { reason: end.reason, message: terminationMessage, exitCode };
  const row = endRowOf("container", facts);
  if (row && !(row.verdict === "completed" && kind === "task")) return ofRow(row, facts, detail, output);
  return ofExitCode(kind, end, exitCode, detail, output);
}

function ofExitCode(
  kind: Program["kind"],
  end: ContainerEnd,
  exitCode: number,
  detail: string,
  output: ContainerOutput | undefined,
): AttemptEnd {
  const signal = signals[end.signal || exitCode - 128];
  if (signal && exitCode > 128) {
    const message = `The container was killed by ${signal} (exit code ${exitCode}).${hints[signal] ?? ""}${detail}`;
    return failure("Crashed", "Killed", message, true);
  }
  if (exitCode !== 0) {
    return failure("Failed", "ExitCode", `The container exited with code ${exitCode}.${detail}`, true);
  }
  if (kind === "task") {
    const message = `The container exited with code 0 without a report of the task's result: is its image built on Fairlead's runtime image?${detail}`;
    return failure("Failed", "NoReport", message, true);
  }
  if (!output && Buffer.byteLength(end.terminationMessage) >= terminationMessageBytes) {
    const message = `The termination message was cut off at ${terminationMessageBytes} bytes: PUT the output to FAIRLEAD_OUTPUT_URL instead.`;
    return failure("Failed", "OutputTooLarge", message, false);
  }
  return completed("The container exited with code 0.", output);
}

/** The last row of these tables matches everything. */
function ofTable(source: "refused" | "takenAway", facts: Facts): AttemptEnd {
  const row = endRowOf(source, facts) as EndRow;
  return ofRow(row, facts, "");
}

function ofRow(row: EndRow, facts: Facts, detail: string, output?: ContainerOutput): AttemptEnd {
  const message = `${explain(row, facts)}${row.says.includes("{message}") || row.verdict === "memory" ? "" : detail}`;
  const { reason, exitCode = 0 } = facts;
  switch (row.verdict) {
    case "completed":
      return completed(message, output);
    case "again":
    case "room":
      return lost(reason, message);
    case "timedOut":
      return failure("TimedOut", reason, message, false);
    case "memory":
      return failure("Crashed", outOfMemory, message, false);
    case "never":
    case "policy": {
      const isKilled = exitCode > 128 && signals[exitCode - 128] !== undefined;
      const word = isKilled ? "Killed" : reason === "Error" ? "ExitCode" : reason;
      return failure(isKilled ? "Crashed" : "Failed", word, message, row.verdict === "policy");
    }
  }
}

const completed = (message: string, output: ContainerOutput | undefined): AttemptEnd => ({
  ...{ outcome: "Completed", reason: "Completed", message },
  ...{ output: output?.copy, outputRef: output?.ref },
});

const lost = (reason: string, message: string): AttemptEnd => ({
  ...{ outcome: "Infrastructure", reason, message },
  error: { name: reason, message },
});

function failure(
  outcome: "Failed" | "Crashed" | "TimedOut",
  reason: string,
  message: string,
  retryable: boolean,
): AttemptEnd {
  return { outcome, reason, message, retryable, error: { name: reason, message } };
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
