/**
 * How an attempt ended whose container did: a task's report, an inline container's output, or the exit code.
 *
 * Every output becomes an object that nothing uploaded later replaces (storage/reportOutput.ts). An inline
 * container's is what it PUT to FAIRLEAD_OUTPUT_URL, else its termination message.
 */
import { isUtf8 } from "node:buffer";
import { maxOutputCopyBytes, terminationMessageBytes } from "@fairlead/protocol/limits";
import { type ContainerOutput, endOfContainer, reportOf, typeOfText } from "../../../jobs/attemptEnd.ts";
import type { ContainerEnd } from "../../../jobs/podObserver.ts";
import type { Program } from "../../../jobs/program.ts";
import type { Attempt, TaskRun } from "../../../model/resources.ts";
import type { AttemptEnd } from "../../../model/run/event.ts";
import { copyOf, endOfReport } from "../../../model/run/report.ts";
import { maxMediaTypeLength } from "../../../model/schema/common.ts";
import { isSuperJson } from "../../../model/superJson.ts";
import { containerOutputKey, outputKey } from "../../../storage/layout.ts";
import type { NamespaceStore, Stores } from "../../../storage/objectStore.ts";
import { resultKey, storeReportOutput, takeUpload, UploadDiffers } from "../../../storage/reportOutput.ts";
import { failed } from "./ends.ts";

type Store = Stores<"copy" | "head" | "get" | "put">;

/** Whether `readResult` asks the bucket: for an output. */
export function readsBucket(
  { attempt, program }: { attempt: Attempt; program: Pick<Program, "kind"> },
  end: ContainerEnd,
  podUid: string | undefined,
): boolean {
  if (program.kind === "container") return end.exitCode === 0;
  return reportOf(end, attempt.number, podUid)?.output !== undefined;
}

/** `podUid` is that of the container's pod. */
export async function readResult(
  store: Store,
  { run, attempt, program }: { run: TaskRun; attempt: Attempt; program: Pick<Program, "kind"> },
  end: ContainerEnd,
  podUid: string | undefined,
): Promise<AttemptEnd> {
  const { exitCode } = end;
  try {
    if (program.kind === "container")
      return endOfContainer(program, end, await readOutput(store, run, attempt, end));
    const report = reportOf(end, attempt.number, podUid);
    if (!report) return endOfContainer(program, end);
    const stored = await storeReportOutput(store, run.metadata, report, podUid);
    const isLost = report.output?.key !== undefined && stored.output?.key === undefined;
    return { ...endOfReport(stored), exitCode, ...(isLost && { message: lostOutput }) };
  } catch (error) {
    if (!(error instanceof UploadDiffers)) throw error;
    const message = `The output was not taken: ${error.message}.`;
    return {
      ...failed("OutputRefused", message),
      startedAt: end.startedAt,
      finishedAt: end.finishedAt,
      exitCode,
    };
  }
}

const lostOutput = "The task completed. Its output is not in the bucket, where it was uploaded.";

/**
 * The Job is complete and its pod is gone, with its termination message: the run is Completed, with the
 * output that is in the bucket. It is not executed again.
 */
export async function readLostResult(
  store: Stores<"copy" | "head" | "get">,
  run: TaskRun,
  attempt: Attempt,
  { kind }: Pick<Program, "kind">,
): Promise<AttemptEnd> {
  const { number, podUid = "" } = attempt;
  const key =
    kind === "container" ? containerOutputKey(run.metadata, number) : outputKey(run.metadata, number, podUid);
  const output = await readPut(store.of(run.metadata.namespace), key).catch((error: unknown) => {
    if (!(error instanceof UploadDiffers)) throw error;
  });
  const where = output ? "its output was in the bucket" : "what it answered, if anything, is lost";
  return {
    ...{ outcome: "Completed", reason: "Completed" },
    message: `The Job is complete. Its pod was deleted before it was read; ${where}.`,
    ...{ output: output?.copy, outputRef: output?.ref },
  };
}

/** Undefined when the container failed, gave no output, or its termination message was cut off. */
async function readOutput(
  store: Store,
  run: TaskRun,
  attempt: Attempt,
  end: ContainerEnd,
): Promise<ContainerOutput | undefined> {
  if (end.exitCode !== 0) return undefined;
  const key = containerOutputKey(run.metadata, attempt.number);
  const put = await readPut(store.of(run.metadata.namespace), key);
  if (put) return put;
  const text = end.terminationMessage;
  const size = Buffer.byteLength(text);
  if (size === 0 || size >= terminationMessageBytes) return undefined;
  const type = typeOfText(text);
  const result = resultKey(key);
  await store.of(run.metadata.namespace).put(result, text, { type });
  return { ref: { key: result, size, type }, copy: copyOfText(text, type) };
}

/**
 * An output that was uploaded, as a result of its own. A program that says no type, or a binary one, may mean
 * JSON or text.
 */
async function readPut(
  store: Pick<NamespaceStore, "copy" | "head" | "get">,
  upload: string,
): Promise<ContainerOutput | undefined> {
  const put = await takeUpload(store, upload);
  if (!put) return undefined;
  const { key } = put;
  const small =
    put.size <= maxOutputCopyBytes ? await store.get(key, { maxBytes: maxOutputCopyBytes }) : undefined;
  // Other bytes would come out as replacement characters: they stay in the object alone.
  const text = small && isUtf8(small.body) ? Buffer.from(small.body).toString("utf8") : undefined;
  const isKnown = put.type?.startsWith("text/") || isSuperJson(put.type ?? "");
  const type = text !== undefined && !isKnown ? typeOfText(text) : put.type;
  // A longer type stays with the object alone.
  return {
    ref: {
      key,
      size: put.size,
      type: type && type.length <= maxMediaTypeLength ? type : "application/octet-stream",
    },
    copy: text === undefined ? undefined : copyOfText(text, type ?? ""),
  };
}

const copyOfText = (text: string, type: string): unknown =>
  type.startsWith("text/") ? text : copyOf(text, type);
