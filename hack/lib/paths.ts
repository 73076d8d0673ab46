/**
 * Where things are. The work tree holds sources and `.fairlead/`; what takes long to make (binaries, images) and
 * what belongs to a running cluster is in the cache outside of it: `$FAIRLEAD_CACHE`, else `~/.cache/fairlead`.
 */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export const repoRoot = join(import.meta.dirname, "..", "..");

export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  return env.FAIRLEAD_CACHE ? resolve(env.FAIRLEAD_CACHE) : join(homedir(), ".cache", "fairlead");
}

/** A folder of the cache (`bin`, `images`, `cluster`, …), made if it is missing. */
export function cacheDir(...segments: string[]): string {
  const dir = join(cacheRoot(), ...segments);
  mkdirSync(dir, { recursive: true });
  return dir;
}
