/**
 * Where the result of an attempt is, once it has settled: in an object that nobody has a URL of, and that is
 * written once. What was uploaded stays under a key that its URL may still replace; at settlement it is
 * copied, as it is then, to a new key. So whatever is uploaded later changes no result.
 *
 *   attempts/<n>.<pod>/output        uploaded by the attempt, for as long as its URL is valid
 *   attempts/<n>.<pod>/output.<id>   the result
 *
 * A small output comes inside the report, and its receiver stores it. When the bucket does not answer, an
 * output of which the run's status holds all is left there: the run settles, without an `outputRef`.
 *
 * A report is written by task code, which may write anything: where an output lies is derived from the run,
 * the attempt and the pod, never taken from it, and its size is that of the object.
 */
import { createHash } from "node:crypto";
import { maxOutputBytes } from "@fairlead/protocol/limits";
import type { Report, ReportedOutput } from "@fairlead/protocol/report";
import { newName } from "../model/ids.ts";
import type { ObjectMeta } from "../model/resources.ts";
import { copyOf } from "../model/run/report.ts";
import { isSuperJson } from "../model/superJson.ts";
import { outputKey } from "./layout.ts";
import type { NamespaceStore, Stores } from "./objectStore.ts";

/** The runner waits for the answer to its report. */
const putTimeoutMs = 3_000;
/** How often an upload that changes while it is copied is looked at again. */
const copyTries = 3;

export const resultKey = (upload: string): string => `${upload}.${newName()}`;

/** What was reported is not what was uploaded; the message says what. */
export class UploadDiffers extends Error {
  override readonly name = "UploadDiffers";
}

interface Taken {
  key: string;
  size: number;
  type?: string;
}

/**
 * Copies what was uploaded to a key of its own; undefined: nothing was. Throws UploadDiffers when it has
 * another size or hash than was said, or more bytes than an output may have.
 */
export async function takeUpload(
  store: Pick<NamespaceStore, "copy" | "head">,
  upload: string,
  said: { size?: number; sha256?: string } = {},
): Promise<Taken | undefined> {
  for (let tries = 1; ; tries++) {
    const found = await store.head(upload);
    if (!found) return undefined;
    const { size, type, etag, sha256 = said.sha256 } = found;
    if (size > maxOutputBytes)
      throw new UploadDiffers(`${size} bytes were uploaded, an output has at most ${maxOutputBytes}`);
    if (said.size !== undefined && said.size !== size)
      throw new UploadDiffers(`${size} bytes were uploaded, not ${said.size}`);
    if (said.sha256 !== undefined && said.sha256.toLowerCase() !== sha256?.toLowerCase())
      throw new UploadDiffers(`what was uploaded has the SHA-256 ${sha256}, not ${said.sha256}`);
    const key = resultKey(upload);
    if (await store.copy(upload, key, { etag })) return { key, size, type };
    if (tries === copyTries) throw new UploadDiffers("it was uploaded again and again");
  }
}

/**
 * The report with the key of the stored result; without it when nothing was uploaded, or the status holds all
 * of the output while the bucket does not answer.
 */
export async function storeReportOutput(
  stores: Stores<"copy" | "head" | "put">,
  run: Pick<ObjectMeta, "namespace" | "name" | "uid">,
  report: Report,
  podUid = report.podUid,
): Promise<Report> {
  const { output } = report;
  if (!output || (output.data === undefined && output.key === undefined)) return report;
  const store = stores.of(run.namespace);
  const upload = outputKey(run, report.attempt, podUid);
  const withResult = (result: Partial<ReportedOutput> = {}): Report => ({
    ...report,
    output: { ...output, key: undefined, ...result },
  });
  const { data, type, key: uploaded } = output;
  try {
    if (data === undefined || (uploaded !== undefined && !isOf(output, data))) {
      const taken = await takeUpload(store, upload, output);
      return withResult(taken && { key: taken.key, size: taken.size });
    }
    const key = resultKey(upload);
    await store.put(key, data, { type, timeoutMs: putTimeoutMs });
    const sha256 = isOf(output, data) ? output.sha256 : undefined;
    return withResult({ key, size: Buffer.byteLength(data), sha256 });
  } catch (error) {
    if (error instanceof UploadDiffers || !isWhole(output)) throw error;
    return withResult();
  }
}

/** Whether the text is what size and hash are of. */
function isOf({ size, sha256 }: ReportedOutput, data: string): boolean {
  if (Buffer.byteLength(data) !== size) return false;
  return sha256 === undefined || createHash("sha256").update(data).digest("hex") === sha256.toLowerCase();
}

/** Whether the status has all of it: superjson's types are only in the object. */
const isWhole = ({ data, type }: ReportedOutput): boolean =>
  data !== undefined && !isSuperJson(type) && copyOf(data, type) !== undefined;
