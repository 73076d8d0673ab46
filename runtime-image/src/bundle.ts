/**
 * A Task's code from object storage: the parts are fetched, each is compared with its hash, and the archives
 * are unpacked into a folder of this container's own, the packages as its node_modules. What does not have
 * its hash is never executed.
 */
import { partBytes } from "@fairlead/protocol/bundle";
import type { BundleParts } from "@fairlead/protocol/runnerApi";
import { Failure } from "./failure.ts";
import { AnswerTooLarge, expectSuccess, httpRequest, Refused, retrying } from "./http.ts";

const budgetMs = 60_000;
const tryMs = 30_000;
const fetchesAtOnce = 4;

type UrlsOf = (parts: readonly string[]) => Promise<Record<string, string>>;

/** The folder. */
export async function fetchBundle({ code, dependencies = [] }: BundleParts, urlsOf: UrlsOf): Promise<string> {
  const { mkdtempSync } = process.getBuiltinModule("node:fs");
  const { tmpdir } = process.getBuiltinModule("node:os");
  const { join } = process.getBuiltinModule("node:path");
  const parts = await fetchAll([...code, ...dependencies], urlsOf);
  try {
    const folder = mkdtempSync(join(tmpdir(), "fairlead-"));
    await unpack(parts.slice(0, code.length), folder);
    if (dependencies.length > 0) await unpack(parts.slice(code.length), folder);
    return folder;
  } catch (error) {
    throw new Failure("TASK_LOAD_ERROR", `bundle: cannot be unpacked: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function fetchAll(hashes: readonly string[], urlsOf: UrlsOf): Promise<Buffer[]> {
  const urls = await urlsOf(hashes).catch((error: Error) => {
    const message = `bundle: where its parts are is not known: ${error.message}`;
    throw new Failure("TASK_LOAD_ERROR", message, { retryable: true, cause: error });
  });
  const parts: Buffer[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < hashes.length; index = next++) {
      const sha256 = hashes[index] ?? "";
      parts[index] = await fetchPart(sha256, urls[sha256] ?? "");
    }
  };
  await Promise.all(Array.from({ length: fetchesAtOnce }, work));
  return parts;
}

/** A new attempt may find the bucket up again; an object that is gone or another one stays so. */
async function fetchPart(sha256: string, url: string): Promise<Buffer> {
  let body: Buffer;
  try {
    ({ body } = await retrying({ budgetMs, tryMs }, async (timeoutMs) =>
      expectSuccess("GET bundle", await httpRequest(url, { method: "GET", timeoutMs, maxBytes: partBytes })),
    ));
  } catch (error) {
    const retryable =
      !(error instanceof AnswerTooLarge) && !(error instanceof Refused && error.status === 404);
    const message = `bundle: part ${sha256} cannot be fetched: ${(error as Error).message}`;
    throw new Failure("TASK_LOAD_ERROR", message, { retryable, cause: error });
  }
  const found = process.getBuiltinModule("node:crypto").createHash("sha256").update(body).digest("hex");
  if (found !== sha256)
    throw new Failure("TASK_LOAD_ERROR", `bundle: part ${sha256} has another content: deploy again`);
  return body;
}

async function unpack(parts: readonly Buffer[], folder: string): Promise<void> {
  const { mkdirSync, writeFileSync } = process.getBuiltinModule("node:fs");
  const { dirname, join } = process.getBuiltinModule("node:path");
  const { gunzipSync } = process.getBuiltinModule("node:zlib");
  const { archiveLimits, unpackArchive } = await import("@fairlead/protocol/archive");
  const made = new Set<string>();
  const packed = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  for (const { path, content, executable } of unpackArchive(
    gunzipSync(packed, { maxOutputLength: archiveLimits.bytes }),
  )) {
    const file = join(folder, path);
    const parent = dirname(file);
    if (!made.has(parent)) mkdirSync(parent, { recursive: true });
    made.add(parent);
    writeFileSync(file, content, { mode: executable ? 0o755 : 0o644, flag: "wx" });
  }
}
