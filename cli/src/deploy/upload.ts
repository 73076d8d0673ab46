/** The code and the packages of a build, sent to the bucket by parts that are not there yet. */
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { BundleParts } from "@fairlead/protocol/runnerApi";
import { type Api, call } from "../api.ts";
import { installDependencies, type Platform } from "../build/dependencies.ts";
import type { BuildManifest } from "../build/manifest.ts";
import { checkSize, megabytes, type Part, partsOf, readFiles } from "../build/parts.ts";
import { CommandError, usageError } from "../errors.ts";
import { progress } from "../terminal.ts";

const codeBytes = 64 * 1024 * 1024;
const dependencyBytes = 256 * 1024 * 1024;
const uploadsAtOnce = 4;
const putAttempts = 3;
const putPauseMs = 1_000;

export async function upload(
  api: Api,
  manifest: BuildManifest,
  outdir: string,
  cpu: string,
): Promise<BundleParts> {
  if (cpu !== "x64" && cpu !== "arm64") throw usageError(`--cpu: "${cpu}" is none; it must be x64 or arm64`);
  const platform: Platform = { os: "linux", cpu, libc: "glibc" };
  const files = readFiles(outdir);
  const code = await partsOf(files);
  checkSize("the code", files, code, codeBytes);
  const installed = await progress("install packages that cannot be bundled", () =>
    installDependencies(manifest, platform),
  );
  const packages = installed
    ? readFiles(join(installed, "node_modules")).map((file) => ({
        ...file,
        path: `node_modules/${file.path}`,
      }))
    : [];
  const dependencies = packages.length > 0 ? await partsOf(packages) : [];
  checkSize("the packages", packages, dependencies, dependencyBytes);
  await send(api, [...code, ...dependencies]);
  const hashes = (parts: Part[]): string[] => parts.map(({ sha256 }) => sha256);
  return { code: hashes(code), dependencies: dependencies.length > 0 ? hashes(dependencies) : undefined };
}

/** Those that the bucket does not have. */
async function send(api: Api, parts: readonly Part[]): Promise<void> {
  const body = { parts: parts.map(({ sha256 }) => sha256) };
  const { uploads } = await call<{ uploads: Record<string, string> }>(api, {
    method: "POST",
    path: "/api/fairlead/v1/deployments/uploads",
    body,
  });
  const missing = parts.filter(({ sha256 }) => uploads[sha256] !== undefined);
  if (missing.length === 0) return;
  const bytes = missing.reduce((sum, part) => sum + part.bytes.length, 0);
  await progress(`upload ${megabytes(bytes)}`, async () => {
    let next = 0;
    const work = async (): Promise<void> => {
      for (let part = missing[next++]; part; part = missing[next++])
        await put(uploads[part.sha256] ?? "", part);
    };
    await Promise.all(Array.from({ length: uploadsAtOnce }, work));
  });
}

async function put(url: string, { bytes, sha256 }: Part): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, {
      method: "PUT",
      body: bytes as Uint8Array<ArrayBuffer>,
      headers: { "content-type": "application/gzip" },
    }).catch((error: Error) => error);
    if (!(response instanceof Error) && response.ok) return;
    if (attempt < putAttempts && (response instanceof Error || response.status >= 429)) {
      await setTimeout(putPauseMs);
      continue;
    }
    const reason =
      response instanceof Error
        ? response.message
        : `status ${response.status} ${(await response.text()).slice(0, 200)}`;
    throw new CommandError(`the upload of ${sha256.slice(0, 12)}… failed: ${reason}`);
  }
}
