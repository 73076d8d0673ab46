/**
 * What no linter rule here says about the sources:
 *   - a folder imports only the folders that its row in `walls` names; imports of types count;
 *   - no source file is longer than 400 lines, no line of a comment wider than 110 columns;
 *   - a name that no other file uses is not exported.
 * Import cycles are the linter's (noImportCycles).
 */
import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";

export const maxLines = 400;
/** As the formatter's limit for code, which leaves comments alone. */
const maxCommentWidth = 110;

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
const commentPattern = /^\s*(\/?\*|\/\/|--)/;
const exportPattern =
  /^export (?:async )?(?:const|let|function|class|abstract class|interface|type|enum) ([\w$]+)/gm;
const importPattern = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g;

interface Wall {
  /** Folders and files of ours that this folder may import, beside itself. */
  may: string[];
  /** Those that only its `*.test.ts` files may import. */
  testsMay?: string[];
  why: string;
}

/** A row for each folder that has walls; a folder without a row imports what it likes. */
export const walls: Record<string, Wall> = {
  protocol: { may: [], why: "everything may depend on it" },
  "operator/src/lib": { may: [], why: "it holds no business word" },
  "operator/src/model": { may: ["protocol", "operator/src/lib/exactJson.ts"], why: "it is pure" },
  "operator/src/jobs": { may: ["protocol", "operator/src/model"], why: "it is pure" },
  "operator/src/kube": {
    may: ["operator/src/lib"],
    testsMay: ["operator/src/model/kinds.ts"],
    why: "it knows no kind of ours",
  },
  "operator/src/queue": { may: ["operator/src/lib", "operator/src/model"], why: "it knows only Redis" },
  "operator/src/storage": {
    may: ["protocol", "operator/src/lib", "operator/src/model"],
    why: "it is a leaf that knows only the bucket",
  },
  "operator/src/telemetry": { may: ["operator/src/lib"], why: "api/ and controller/ both import it" },
  "operator/src/runs": {
    may: ["protocol", "operator/src/lib", "operator/src/model", "operator/src/kube", "operator/src/storage"],
    why: "api/ and controller/ both import it",
  },
  "operator/src/controller": {
    may: [
      "protocol",
      "operator/src/config.ts",
      "operator/src/jobs",
      "operator/src/kube",
      "operator/src/lib",
      "operator/src/model",
      "operator/src/queue",
      "operator/src/runs",
      "operator/src/storage",
      "operator/src/telemetry",
    ],
    why: "it meets api/ only in the API server",
  },
  "operator/src/api": {
    may: [
      "protocol",
      "operator/src/kube",
      "operator/src/lib",
      "operator/src/model",
      "operator/src/runs",
      "operator/src/storage",
      "operator/src/telemetry",
    ],
    why: "it writes TaskRuns and leaves Jobs and queues to controller/",
  },
  sdk: { may: ["protocol"], testsMay: ["test/support"], why: "it is published on its own" },
  "runtime-image": { may: ["protocol", "sdk"], why: "every start of a task waits for it" },
  cli: { may: ["protocol"], why: "it knows the API, not what is behind it" },
};

/** Problems with one file, each one line that says what to change. `file` is relative to the project. */
export function problemsOf(file: string, text: string): string[] {
  const problems: string[] = [];
  const lines = text.replace(/\n$/, "").split("\n");
  if (lines.length > maxLines) problems.push(`${file}: ${lines.length} lines, at most ${maxLines}: split it`);
  for (const [index, line] of lines.entries()) {
    if (!commentPattern.test(line) || [...line].length <= maxCommentWidth) continue;
    problems.push(
      `${file}:${index + 1}: a comment of ${[...line].length} columns, at most ${maxCommentWidth}`,
    );
  }
  for (const target of ownImports(file, text)) {
    const problem = forbidden(file, target);
    if (problem) problems.push(`${file}: imports ${target}: ${problem}`);
  }
  return problems;
}

export function checkSources(root: string): { files: number; problems: string[] } {
  const paths = sourceFolders.flatMap((folder) => [...walk(join(root, folder))]);
  const texts = new Map(paths.map((path) => [relative(root, path), readFileSync(path, "utf8")]));
  const problems = [...texts].flatMap(([file, text]) => problemsOf(file, text));
  return { files: paths.length, problems: [...problems, ...unusedExports(texts)] };
}

/**
 * Exported names that stand in no other file, given the text of every file. Fixtures and examples are used
 * from outside, by the names of their tasks.
 */
export function unusedExports(texts: ReadonlyMap<string, string>): string[] {
  const users = new Map<string, number>();
  for (const text of texts.values()) {
    for (const word of new Set(text.match(/[\w$]+/g))) users.set(word, (users.get(word) ?? 0) + 1);
  }
  return [...texts].flatMap(([file, text]) => {
    if (/^examples\/|\/fixtures\//.test(file)) return [];
    const names = [...text.matchAll(exportPattern)].map((match) => match[1] as string);
    const unused = names.filter((name) => users.get(name) === 1);
    return unused.map((name) => `${file}: exports ${name}, which no other file uses: remove "export"`);
  });
}

function forbidden(file: string, target: string): string | undefined {
  const inside = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
  const row = Object.entries(walls).find(([folder]) => inside(file, folder));
  if (!row) return undefined;
  const [folder, { may, testsMay = [], why }] = row;
  const allowed = [folder, ...may, ...(file.endsWith(".test.ts") ? testsMay : [])];
  if (allowed.some((one) => inside(target, one))) return undefined;
  return `${folder}/ may import ${may.length > 0 ? `only ${may.join(", ")}` : "nothing of ours"}: ${why}`;
}

/** What a file imports of ours, as paths in the project: relative imports, and our packages by name. */
function ownImports(file: string, text: string): string[] {
  const imports = [...text.matchAll(importPattern)].map((match) => match[1] as string);
  return imports.flatMap((target) => {
    if (target.startsWith(".")) return [join(dirname(file), target)];
    return target.startsWith("@fairlead/") ? [target.replace("@fairlead/", "")] : [];
  });
}

function* walk(folder: string): Generator<string> {
  let entries: Dirent[];
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
