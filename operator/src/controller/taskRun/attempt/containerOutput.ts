/**
 * The output of an inline container, moved to where every output is: the object that it PUT to FAIRLEAD_OUTPUT_URL,
 * else its termination message, which is written to the same key.
 */
import { maxOutputCopyBytes, terminationMessageBytes } from "@fairlead/protocol/limits";
import { type ContainerOutput, typeOfText } from "../../../jobs/attemptEnd.ts";
import type { ContainerEnd } from "../../../jobs/podObserver.ts";
import type { Attempt, TaskRun } from "../../../model/resources.ts";
import { copyOf } from "../../../model/run/report.ts";
import { containerOutputKey } from "../../../storage/layout.ts";
import type { Deps } from "../../deps.ts";

/** Undefined when the container failed, gave no output, or its termination message was cut off. */
export async function containerOutput(
  deps: Pick<Deps, "store">,
  run: TaskRun,
  attempt: Attempt,
  end: ContainerEnd,
): Promise<ContainerOutput | undefined> {
  if (end.exitCode !== 0) return undefined;
  const key = containerOutputKey(run.metadata, attempt.number);
  const put = await deps.store.head(key);
  if (put) {
    const small =
      put.size <= maxOutputCopyBytes
        ? await deps.store.get(key, { maxBytes: maxOutputCopyBytes })
        : undefined;
    const text = small && Buffer.from(small.body).toString("utf8");
    const type = text !== undefined && !put.type?.startsWith("text/") ? typeOfText(text) : put.type;
    return {
      ref: { key, size: put.size, type: type ?? "application/octet-stream" },
      copy: text === undefined ? undefined : copyOfText(text, type ?? ""),
    };
  }
  const text = end.terminationMessage;
  const size = Buffer.byteLength(text);
  if (size === 0 || size >= terminationMessageBytes) return undefined;
  const type = typeOfText(text);
  await deps.store.put(key, text, { type });
  return { ref: { key, size, type }, copy: copyOfText(text, type) };
}

const copyOfText = (text: string, type: string): unknown =>
  type.startsWith("text/") ? text : copyOf(text, type);
