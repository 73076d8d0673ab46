/**
 * Asks the runner what the bundled files define. A file that cannot be imported is an error with its reason.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ImportError, TaskIndex } from "@fairlead/protocol/taskIndex";
import { CommandError } from "../errors.ts";
import { say } from "../terminal.ts";
import { runCaptured } from "./build.ts";

/** In the package beside this file, in the repository its source. */
function runnerProgram(): string {
  const built = join(import.meta.dirname, "runner.mjs");
  return existsSync(built)
    ? built
    : join(import.meta.dirname, "..", "..", "..", "runtime-image", "src", "main.ts");
}

/** `files`: relative to `outdir`. `sourceOf`: the task file of a module. */
export async function indexTasks(
  outdir: string,
  files: readonly string[],
  env: NodeJS.ProcessEnv,
  options: { standIns?: boolean; sourceOf: (file: string) => string },
): Promise<TaskIndex> {
  const flags = options.standIns ? ["--stand-ins"] : [];
  const { stdout, stderr } = await runCaptured([runnerProgram(), "--index", ...flags, ...files], outdir, env);
  let index: TaskIndex;
  try {
    index = JSON.parse(stdout) as TaskIndex;
  } catch {
    throw new CommandError(
      `the tasks cannot be read: the index ended without a result\n${stderr.trim().slice(-4_096)}`,
    );
  }
  const problems = [
    ...index.errors.map((error) => problemOf(error, options.sourceOf)),
    ...index.duplicates.map(
      ({ id, at }) => `task ${id} is defined ${at.length} times, an id belongs to one task: ${at.join(", ")}`,
    ),
  ];
  if (problems.length > 0) throw new CommandError(problems.join("\n"));
  if (index.tasks.length === 0)
    throw new CommandError(
      `no file defines a task: ${files.map(options.sourceOf).join(", ")}; export task({ id, run }) from one of them`,
    );
  if (index.standIns.length > 0)
    say(`warning: not set, a stand-in was used while the files were read: ${index.standIns.join(", ")}`);
  for (const note of index.notes) say(`note: ${note}`);
  return index;
}

function problemOf(
  { file, name, message, at, missingEnv = [] }: ImportError,
  sourceOf: (file: string) => string,
): string {
  const where = at ?? sourceOf(file);
  const text = `${where}: ${sourceOf(file)} cannot be imported: ${name}: ${message}`;
  if (missingEnv.length === 0) return text;
  return `${text}\n  not set: ${missingEnv.slice(0, 5).join(", ")}; set them with \`fairlead env set NAME=value\`, in .env, or give --stand-ins`;
}
