/** Reads what a runner says about its attempt (protocol/report.ts), and what it means for the run. */
import { maxOutputBytes, maxOutputCopyBytes } from "@fairlead/protocol/limits";
import {
  errorCodes,
  errorLimits,
  type Mark,
  maxRetryDelayMs,
  type Report,
  type ReportHead,
  reportVersion,
} from "@fairlead/protocol/report";
import { z } from "zod";
import { parseExact } from "../../lib/exactJson.ts";
import { maxMediaTypeLength } from "../schema/common.ts";
import { isSuperJson, parseSuperJson } from "../superJson.ts";
import type { AttemptEnd } from "./event.ts";
import { outOfMemory } from "./settle.ts";

const head = {
  v: z.literal(reportVersion),
  attempt: z.int().min(1),
  podUid: z.guid(),
  startedAt: z.iso.datetime({ offset: true }),
};

export const report = z.object({
  ...head,
  outcome: z.enum(["completed", "failed"]),
  output: z
    .object({
      type: z.string().max(maxMediaTypeLength),
      key: z.string().max(1024).optional(),
      size: z.int().min(0).max(maxOutputBytes),
      sha256: z.string().length(64).optional(),
      data: z.string().max(maxOutputCopyBytes).optional(),
    })
    .optional(),
  error: z
    .object({
      name: z.string().max(errorLimits.name),
      message: z.string().max(errorLimits.message),
      stack: z.string().max(errorLimits.stack).optional(),
      code: z.enum(errorCodes).optional(),
      retryable: z.boolean(),
      retryDelayMs: z.int().min(0).max(maxRetryDelayMs).optional(),
    })
    .optional(),
  finishedAt: z.iso.datetime({ offset: true }),
}) satisfies z.ZodType<Report>;

/** Of a mark, what the operator needs to know how a container ended. */
type ReadMark = Pick<Mark, keyof ReportHead | "outcome">;

const mark = z.object({
  ...head,
  outcome: z.literal("stopping"),
}) satisfies z.ZodType<ReadMark>;

/**
 * The report in a termination message; undefined when the text is something else (a container's own output).
 */
export const parseReport = (text: string): Report | undefined => parseAs(report, text);

export const parseMark = (text: string): ReadMark | undefined => parseAs(mark, text);

function parseAs<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** How the attempt ended. The same for a report sent to the API and for one in a termination message. */
export function endOfReport(report: Report): AttemptEnd {
  const times = { startedAt: report.startedAt, finishedAt: report.finishedAt };
  if (report.outcome === "completed") {
    const { output } = report;
    return {
      outcome: "Completed",
      reason: "Completed",
      message: output && isRich(output) ? richText : "The task completed.",
      output: output?.data === undefined ? undefined : copyOf(output.data, output.type),
      outputRef: output?.key
        ? { key: output.key, size: output.size, sha256: output.sha256, type: output.type }
        : undefined,
      ...times,
    };
  }
  const error = report.error ?? {
    name: "Error",
    message: "The task failed and gave no error.",
    retryable: true,
  };
  const { retryable, retryDelayMs, ...shown } = error;
  // As if the kernel had ended it: the task's code knew before.
  const isOutOfMemory = error.code === "OUT_OF_MEMORY";
  return {
    outcome: isOutOfMemory ? "Crashed" : "Failed",
    reason: isOutOfMemory ? outOfMemory : reasonOfCode(error.code),
    message: `${error.name}: ${error.message}`,
    retryable,
    retryDelayMs,
    error: shown,
    ...times,
  };
}

const richText =
  "The task completed. Its output has values that JSON lacks: status.output shows them as text or null, the object in status.outputRef has them.";

const isRich = ({ type, data = "" }: { type: string; data?: string }): boolean =>
  isSuperJson(type) && parseSuperJson(data)?.meta !== undefined;

/** UNCAUGHT_EXCEPTION → UncaughtException. */
const reasonOfCode = (code: string | undefined): string =>
  (code ?? "TASK_ERROR")
    .toLowerCase()
    .replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The copy of an output that fits into status, when it is JSON and small. */
export function copyOf(data: string, type: string): unknown {
  if (data.length > maxOutputCopyBytes) return undefined;
  if (isSuperJson(type)) return parseSuperJson(data)?.json;
  if (!type.startsWith("application/json")) return undefined;
  try {
    return parseExact(data);
  } catch {
    return undefined;
  }
}
