/**
 * What no linter rule here says about the sources:
 *   - operator/src/model imports nothing of ours from outside of it but protocol/;
 *   - operator/src/controller and operator/src/api never import each other;
 *   - no source file is longer than 450 lines.
 * Import cycles are the linter's (noImportCycles).
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";

export const maxLines = 450;
const sourceFolders = [
  "protocol",
  "operator",
  "sdk",
  "runtime-image",
  "examples",
  "cli",
  "dashboard",
  "hack",
  "test",
  "charts",
];
const sourceExtensions = new Set([".ts", ".tsx", ".mjs", ".js", ".lua"]);
const skippedFolders = new Set(["node_modules", "dist", ".fairlead", ".vitest"]);
const importPattern = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g;

const model = "operator/src/model";
const controller = "operator/src/controller";
const api = "operator/src/api";
/** What crosses a process border: constants and types without dependencies. */
const protocol = "@fairlead/protocol/";

/** Problems with one file, each one line that says what to change. `file` is relative to the project. */
export function problemsOf(file: string, text: string): string[] {
  const problems: string[] = [];
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  if (lines > maxLines) problems.push(`${file}: ${lines} lines, at most ${maxLines}: split it`);
  for (const target of importsOf(file, text)) {
    const problem = forbidden(file, target);
    if (problem) problems.push(`${file}: imports ${target}: ${problem}`);
  }
  return problems;
}

export function checkSources(root: string): { files: number; problems: string[] } {
  const files = sourceFolders.flatMap((folder) => [...walk(join(root, folder))]);
  const problems = files.flatMap((path) => problemsOf(relative(root, path), readFileSync(path, "utf8")));
  return { files: files.length, problems };
}

function forbidden(file: string, target: string): string | undefined {
  const inside = (folder: string, path: string): boolean => path.startsWith(`${folder}/`);
  const ours = target.startsWith("@fairlead/") || !target.startsWith("npm:");
  if (inside(model, file) && ours && !inside(model, target) && !target.startsWith(protocol)) {
    return "model/ is pure and imports nothing of ours outside of it but protocol/";
  }
  if (inside(controller, file) && inside(api, target)) return "controller/ never imports api/";
  if (inside(api, file) && inside(controller, target)) return "api/ never imports controller/";
  return undefined;
}

/** Relative imports as paths in the project, our packages by name, foreign ones as `npm:name`. */
function importsOf(file: string, text: string): string[] {
  return [...text.matchAll(importPattern)].map((match) => {
    const target = match[1] as string;
    if (target.startsWith(".")) return join(dirname(file), target);
    return target.startsWith("@fairlead/") ? target : `npm:${target}`;
  });
}

function* walk(folder: string): Generator<string> {
  let entries: import("node:fs").Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !skippedFolders.has(entry.name)) yield* walk(path);
    else if (entry.isFile() && sourceExtensions.has(extname(entry.name))) yield path;
  }
}
