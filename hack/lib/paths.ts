/**
 * Paths. The work tree holds sources and `.fairlead/`. What takes long to build (binaries, images) and the
 * files of a running cluster are in the cache outside of it: `$FAIRLEAD_CACHE`, else `~/.cache/fairlead`.
 */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export const repoRoot = join(import.meta.dirname, "..", "..");

export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  return env.FAIRLEAD_CACHE ? resolve(env.FAIRLEAD_CACHE) : join(homedir(), ".cache", "fairlead");
}

/** A folder of the cache (`bin`, `images`, `cluster`, …), created if it is missing. */
export function cacheDir(...segments: string[]): string {
  const dir = join(cacheRoot(), ...segments);
  mkdirSync(dir, { recursive: true });
  return dir;
}
