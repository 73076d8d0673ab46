/**
 * Stores the output in the bucket. Asks for the URL here, when the run has finished, so that none expires.
 */
import { maxOutputCopyBytes } from "@fairlead/protocol/limits";
import type { ReportedOutput } from "@fairlead/protocol/report";
import type { EngineApi } from "./engineApi.ts";
import { Failure } from "./failure.ts";
import { expectSuccess, httpRequest, Refused, retrying } from "./http.ts";
import { type SerializedOutput, tooLarge } from "./output.ts";
import { warn } from "./stdio.ts";

const urlMs = 5000;
const tryMs = 15_000;
const budgetMs = 30_000;
/** With a copy in the termination message nothing is lost, and waiting would only hold the queue's slot. */
const smallBudgetMs = 10_000;
const slowestBytesPerMs = 1000;

/** `fits`: does the output fit into the termination message, should the bucket or the API be out of reach? */
export async function storeOutput(
  api: EngineApi,
  { bytes, type }: SerializedOutput,
  fits: (output: ReportedOutput) => boolean,
): Promise<ReportedOutput> {
  const size = bytes.byteLength;
  // Node's crypto takes some 6 ms to load: for a small output it does so while the API answers.
  const hash = new Promise<string>((resolve) =>
    setImmediate(() => resolve(process.getBuiltinModule("node:crypto").hash("sha256", bytes, "hex"))),
  );
  const output: ReportedOutput = { type, size };
  if (size <= maxOutputCopyBytes) output.data = bytes.toString("utf8");
  const small = output.data !== undefined && fits({ ...output, sha256: "0".repeat(64) });
  const transferMs = size / slowestBytesPerMs;
  // A small one is in the report, where its receiver compares it with its hash.
  const sha256 = output.data === undefined ? await hash : undefined;
  try {
    const budget = { budgetMs: (small ? smallBudgetMs : budgetMs) + transferMs, tryMs: tryMs + transferMs };
    output.key = await retrying(budget, async (timeoutMs) => {
      const wanted = { size, type, ...(sha256 && { sha256 }) };
      const { url, key, headers: signed } = await api.outputUrl(wanted, Math.min(urlMs, timeoutMs));
      const headers = { ...signed, "content-type": type };
      const put = { method: "PUT", headers, body: bytes, timeoutMs, maxBytes: 64 * 1024 } as const;
      expectSuccess("PUT output", await httpRequest(url, put));
      return key;
    });
  } catch (error) {
    if (error instanceof Refused && error.status === 413) throw tooLarge(`${size} bytes`);
    if (!small) throw uploadFailed(size, error);
    warn("the output could not be uploaded, the report has it:", (error as Error).message);
  }
  return { ...output, sha256: await hash };
}

const uploadFailed = (size: number, error: unknown): Failure =>
  new Failure(
    "OUTPUT_UPLOAD_FAILED",
    `The task ran to its end, but its output of ${size} bytes could not be stored: ${(error as Error).message}`,
    { retryable: true, cause: error },
  );
