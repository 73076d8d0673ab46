/**
 * `runner.mjs --index [--stand-ins] FILE…`: imports the files and tells what they define
 * (protocol/taskIndex.ts), one JSON document on stdout. What the files print goes to stderr. One file that
 * cannot be imported does not keep the others from it.
 *
 * With --stand-ins, variables that a file misses get a made-up value, in a fresh process, as often as that
 * brings the import further. Nothing connects to anything with such a value; it only lets the code be read.
 */
import { writeSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type ImportError, type TaskIndex, taskIndexVersion } from "@fairlead/protocol/taskIndex";
import { Failure, withoutInternals } from "../failure.ts";
import { Guard } from "../guard.ts";
import { placeIn } from "../host/catalog.ts";
import { Host } from "../host/host.ts";
import { described, queueOf } from "./describe.ts";
import { EnvReads, missingIn, standInFor } from "./envReads.ts";

const importLimitMs = 60_000;
const standInRounds = 8;
const messageShown = 2000;
const usage = "usage: runner.mjs --index [--stand-ins] FILE…";

export async function index(given: readonly string[]): Promise<never> {
  const files = given.filter((one) => one !== "--stand-ins");
  if (files.length === 0 || files.some((file) => file.startsWith("-"))) {
    console.error(usage);
    process.exit(2);
  }
  if (files.length < given.length) withStandIns(files);
  process.setSourceMapsEnabled(true);
  printToStderr();
  const result: TaskIndex = {
    ...{ v: taskIndexVersion, tasks: [], queues: [], duplicates: [], errors: [], standIns: [], notes: [] },
  };
  const end = process.exit.bind(process);
  process.exit = (code) => {
    throw new CalledExit(`process.exit(${code ?? ""}) was called while the file was imported`);
  };
  const guard = new Guard((code) => code);
  const host = new Host({ warn: (line) => result.notes.push(line) });
  const reads = new EnvReads();
  const withMissing = (error: ImportError): ImportError => {
    const missingEnv = missingIn(error.message, reads.take());
    return missingEnv.length > 0 ? { ...error, missingEnv } : error;
  };
  for (const file of files) {
    reads.take();
    const before = new Set(host.catalog.tasks.map(({ id }) => id));
    const path = resolve(file);
    let exports: object = {};
    try {
      exports = await guard.watch(`importing ${file}`, () => withinLimit(import(pathToFileURL(path).href)));
    } catch (error) {
      result.errors.push(withMissing(importError(file, error)));
    }
    for (const task of host.catalog.tasks)
      if (!before.has(task.id)) result.tasks.push(await described(task, file, path, exports));
  }
  result.queues = host.catalog.queues.map(queueOf);
  result.duplicates = host.catalog.duplicates.map(({ id, at }) => ({ id, at: at.map((one) => one ?? "?") }));
  print(`${JSON.stringify(result, null, 2)}\n`);
  return end(result.errors.length === 0 && result.duplicates.length === 0 ? 0 : 1);
}

class CalledExit extends Error {
  override readonly name = "ProcessExit";
}

async function withinLimit<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    const fail = (): void => reject(new Error(`the import took more than ${importLimitMs / 1000} s`));
    // Unreferenced: an import that can never end is found at once.
    timer = setTimeout(fail, importLimitMs).unref();
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

function importError(file: string, error: unknown): ImportError {
  const thrown = Failure.is(error) ? (error.shown as Partial<Error>) : (error as Partial<Error> | undefined);
  const stack = typeof thrown?.stack === "string" ? withoutInternals(thrown.stack) : "";
  const message = String(thrown?.message ?? error).slice(0, messageShown);
  const at =
    placeIn(stack, "innermost") ?? (thrown?.name === "SyntaxError" ? syntaxPlace(resolve(file)) : undefined);
  return { file, name: String(thrown?.name ?? "Error"), message, ...(at ? { at } : {}) };
}

/** What cannot be parsed has no frame; `node --check` prints its place first. */
function syntaxPlace(path: string): string | undefined {
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  const { stderr } = spawnSync(process.execPath, ["--check", path], { encoding: "utf8" });
  return /^(?:file:\/\/)?(\/.+:\d+)$/.exec(stderr.split("\n", 1)[0] ?? "")?.[1];
}

/** Runs the index in fresh processes until no more variables are missed, and prints the last answer. */
function withStandIns(files: readonly string[]): never {
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  const standIns: Record<string, string> = {};
  for (let round = 0; ; round++) {
    const args = [...process.execArgv, process.argv[1] ?? "", "--index", ...files];
    const env = { ...process.env, ...standIns };
    const stdio = ["ignore", "pipe", "inherit"] as ("ignore" | "pipe" | "inherit")[];
    const child = spawnSync(process.execPath, args, { env, stdio, maxBuffer: 256 * 1024 * 1024 });
    let result: TaskIndex;
    try {
      result = JSON.parse(child.stdout.toString());
    } catch {
      console.error(`--index: the process ended with ${child.signal ?? child.status} and no answer`);
      process.exit(1);
    }
    const missing = result.errors.flatMap(({ missingEnv = [] }) => missingEnv);
    const added = missing.filter((name) => !(name in standIns));
    for (const name of added) standIns[name] = standInFor(name);
    if (added.length > 0 && round < standInRounds) continue;
    print(`${JSON.stringify({ ...result, standIns: Object.keys(standIns) }, null, 2)}\n`);
    process.exit(child.status ?? 1);
  }
}

function printToStderr(): void {
  process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;
}

/** All of it, also into a pipe whose reader is slow. */
function print(text: string): void {
  let bytes = Buffer.from(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(1, bytes));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}
