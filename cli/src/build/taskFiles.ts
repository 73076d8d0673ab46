/**
 * Which files define tasks: every source file below `dirs`, which may be globs; without `dirs`, below every
 * folder that is called `trigger`. Tests, declarations and what `ignorePatterns` match are left out. At most
 * 5,000.
 */
import { type Dirent, existsSync, readdirSync, statSync } from "node:fs";
import { join, matchesGlob, relative, resolve, sep } from "node:path";
import { CommandError } from "../errors.ts";
import type { Project } from "./config.ts";

const sourcePattern = /\.(ts|tsx|mts|cts|js|jsx|mjs|cjs)$/;
const ignoredPattern = /(\.d\.[cm]?ts|\.(test|spec)\.[a-z]+)$/;
const skippedFolders = new Set(["node_modules", ".git", ".next", ".fairlead", ".trigger", "dist", ".turbo"]);
const fileLimit = 5_000;
const depthLimit = 30;

/** Full paths, sorted. */
export function findTaskFiles({ root, config, configFile }: Project): string[] {
  const dirs = config.dirs ?? (existsSync(join(root, "src", "trigger")) ? ["./src/trigger"] : undefined);
  const found = dirs
    ? dirs.flatMap((dir) => filesOf(root, dir))
    : triggerFolders(root).flatMap((dir) => [...walk(dir)]);
  const ignore = (config.ignorePatterns ?? []).map((pattern) => pattern.replace(/^\.\//, ""));
  const files = [...new Set(found)].sort().filter((file) => {
    const path = relative(root, file).split(sep).join("/");
    return (
      file !== configFile &&
      !ignoredPattern.test(file) &&
      !ignore.some((pattern) => matchesGlob(path, pattern))
    );
  });
  if (files.length > fileLimit)
    throw new CommandError(
      `dirs: ${files.length} files, at most ${fileLimit}: name the folders that have tasks`,
    );
  if (files.length > 0) return files;
  const where = dirs ? `below ${dirs.join(", ")}` : `in a folder called "trigger" below ${root}`;
  throw new CommandError(
    `dirs: there is no source file ${where}; set dirs in the config to the folders that have your tasks`,
  );
}

function filesOf(root: string, dir: string): string[] {
  if (!/[*?{[]/.test(dir)) {
    const folder = resolve(root, dir);
    if (!existsSync(folder)) throw new CommandError(`dirs: "${dir}" is not there (${folder})`);
    return statSync(folder).isFile() ? [folder] : [...walk(folder)];
  }
  const pattern = dir.replace(/^\.\//, "").replace(/\/$/, "");
  const matches = [...walk(root)].filter((file) => {
    const path = relative(root, file).split(sep).join("/");
    // A glob names files, or folders that have them.
    for (let at = path; at !== ""; at = at.includes("/") ? at.slice(0, at.lastIndexOf("/")) : "")
      if (matchesGlob(at, pattern)) return true;
    return false;
  });
  return matches;
}

function triggerFolders(root: string): string[] {
  const folders: string[] = [];
  for (const { path, entry } of entries(root, 0))
    if (entry.isDirectory() && entry.name === "trigger") folders.push(path);
  return folders;
}

function* walk(folder: string): Generator<string> {
  for (const { path, entry } of entries(folder, 0))
    if (entry.isFile() && sourcePattern.test(entry.name)) yield path;
}

/** Every entry below, without the folders that hold no sources of the project. */
function* entries(folder: string, depth: number): Generator<{ path: string; entry: Dirent }> {
  if (depth > depthLimit) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (skippedFolders.has(entry.name)) continue;
    const path = join(folder, entry.name);
    yield { path, entry };
    if (entry.isDirectory()) yield* entries(path, depth + 1);
  }
}
