/**
 * `runner.mjs --warm [FILE]`, for image builds: loads the task's module so that Node's compile cache
 * (NODE_COMPILE_CACHE) holds it and the runner. The cache counts for the same paths and the same uid only.
 */
import { pathToFileURL } from "node:url";
import { warn } from "./stdio.ts";

export async function warm(file: string | undefined): Promise<never> {
  const { flushCompileCache, getCompileCacheDir } = process.getBuiltinModule("node:module");
  const folder = getCompileCacheDir();
  if (!folder) {
    warn("--warm: there is no compile cache; set NODE_COMPILE_CACHE to a folder that this user can write");
    process.exit(1);
  }
  if (file) await load(file);
  flushCompileCache();
  console.log(`compile cache written to ${folder}`);
  process.exit(0);
}

async function load(file: string): Promise<void> {
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    // Compiled it is. What it misses at build time (a variable, a service) may be there at run time.
    warn(`--warm: ${file} threw while it was loaded:`, error);
    if (error instanceof SyntaxError) process.exit(1);
  }
}
