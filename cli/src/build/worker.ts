/**
 * The build, as a process of its own: `node worker.js <folder> <outdir> <target> [config]`. Config,
 * extensions and plugins are the project's code: they may print, throw, leave handles open, or change
 * globals, and none of it reaches the command. The result is one line of JSON on file descriptor 3: a
 * BuildManifest, or `{ error }`.
 */
import { mkdirSync, rmSync, writeSync } from "node:fs";
import { bundleTasks } from "./bundle.ts";
import { loadProject, messageOf } from "./config.ts";
import { completeExtensions, startExtensions } from "./extensions.ts";
import type { BuildManifest } from "./manifest.ts";
import { stateOf } from "./stamp.ts";
import { findTaskFiles } from "./taskFiles.ts";

async function buildProject(
  folder: string,
  outdir: string,
  target: "deploy" | "dev",
  configFile?: string,
): Promise<BuildManifest> {
  const startedAtMs = Date.now();
  const project = await loadProject(folder, configFile);
  const files = findTaskFiles(project);
  const extended = await startExtensions(project, target);
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const { sources, ...bundle } = await bundleTasks(project, files, { outdir, ...extended });
  await completeExtensions(project, target, outdir, extended);
  const { maxDuration, machine, ttl, retries } = project.config;
  const retry = target === "dev" && retries?.enabledInDev === false ? { maxAttempts: 1 } : retries?.default;
  return {
    root: project.root,
    configFile: project.configFile,
    ...bundle,
    inputs: statesOf([...sources, ...files, ...(project.configFile ? [project.configFile] : [])]),
    startedAtMs,
    layers: extended.layers,
    defaults: { maxDuration, machine, ttl, retry },
  };
}

/** Packages are left out: they change by an installation, which changes the lockfile. */
function statesOf(paths: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    paths.filter((path) => !path.includes("/node_modules/")).map((path) => [path, stateOf(path)]),
  );
}

function tell(result: BuildManifest | { error: string }): void {
  const bytes = Buffer.from(`${JSON.stringify(result)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(3, bytes, at);
}

const [folder, outdir, target, configFile] = process.argv.slice(2);
if (import.meta.main !== false && folder && outdir && (target === "deploy" || target === "dev")) {
  try {
    tell(await buildProject(folder, outdir, target, configFile));
    process.exit(0);
  } catch (error) {
    tell({ error: messageOf(error) });
    process.exit(1);
  }
}
