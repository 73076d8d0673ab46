/**
 * Every output is in the bucket. A runner uploads its own; a small one that it could not upload comes inside
 * the report, and the receiver of the report stores it under the key that the upload would have had.
 */
import type { Report } from "@fairlead/protocol/report";
import type { ObjectMeta } from "../model/resources.ts";
import { outputKey } from "./layout.ts";
import type { ObjectStore } from "./objectStore.ts";

export async function storeReportOutput(
  store: Pick<ObjectStore, "put">,
  run: Pick<ObjectMeta, "namespace" | "name" | "uid">,
  report: Report,
): Promise<Report> {
  const { output } = report;
  if (output?.data === undefined || output.key !== undefined) return report;
  const key = outputKey(run, report.attempt, report.podUid);
  await store.put(key, output.data, { type: output.type });
  return { ...report, output: { ...output, key } };
}
