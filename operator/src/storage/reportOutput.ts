/**
 * Every output is in the bucket. A runner uploads its own; a small one that it could not upload comes inside
 * the report, and the receiver of the report stores it under the key that the upload would have had. When the
 * bucket does not answer the receiver either, an output of which the run's status holds all is left there:
 * the run settles, without an `outputRef`.
 *
 * A report is written by task code, which may write anything: where an output lies is derived from the run,
 * the attempt and the pod, never taken from it.
 */
import type { Report } from "@fairlead/protocol/report";
import type { ObjectMeta } from "../model/resources.ts";
import { copyOf } from "../model/run/report.ts";
import { isSuperJson } from "../model/superJson.ts";
import { outputKey } from "./layout.ts";
import type { Stores } from "./objectStore.ts";

/** The runner waits for the answer to its report. */
const putTimeoutMs = 3_000;

export async function storeReportOutput(
  stores: Stores<"put">,
  run: Pick<ObjectMeta, "namespace" | "name" | "uid">,
  report: Report,
  podUid = report.podUid,
): Promise<Report> {
  const { output } = report;
  if (!output || (output.data === undefined && output.key === undefined)) return report;
  const key = outputKey(run, report.attempt, podUid);
  if (output.data === undefined || output.key !== undefined) return { ...report, output: { ...output, key } };
  try {
    await stores.of(run.namespace).put(key, output.data, { type: output.type, timeoutMs: putTimeoutMs });
  } catch (error) {
    if (!isWhole(output.data, output.type)) throw error;
    return report;
  }
  return { ...report, output: { ...output, key } };
}

/** Whether the status has all of it: superjson's types are only in the object. */
const isWhole = (data: string, type: string): boolean =>
  !isSuperJson(type) && copyOf(data, type) !== undefined;
