/**
 * `fairlead trigger TASK [PAYLOAD]`: creates a run. The payload is JSON: an argument, `--file`, or stdin
 * (`-`). Numbers keep their text: the payload is sent as it was written.
 */
import { readFileSync } from "node:fs";
import { text as readText } from "node:stream/consumers";
import type { Command } from "commander";
import { call, path } from "../api.ts";
import { calling } from "../command.ts";
import { usageError } from "../errors.ts";
import { parseExact } from "../exactJson.ts";
import { type Format, printResult } from "../output.ts";
import { print, say } from "../terminal.ts";
import { watchRun } from "./runs.ts";

interface TriggerFlags {
  file?: string;
  queue?: string;
  concurrencyKey?: string;
  idempotencyKey?: string;
  delay?: string;
  ttl?: string;
  tag?: string[];
  machine?: string;
  priority?: string;
  maxAttempts?: string;
  maxDuration?: string;
  test?: boolean;
  wait?: boolean;
}

const examples = `
Examples:
  fairlead trigger hello-world '{"name":"Ada"}'
  fairlead trigger import-file --file rows.json --queue imports --tag user_1 --wait
  cat rows.json | fairlead trigger import-file -`;

export function addTrigger(program: Command): void {
  program
    .command("trigger")
    .description("create a run of a task")
    .argument("<task>", "id of the task")
    .argument("[payload]", "JSON; - reads it from stdin")
    .option("-f, --file <path>", "file with the payload")
    .option("--queue <name>", "queue of the run")
    .option("--concurrency-key <key>", "the queue's limit counts for each key by itself")
    .option("--idempotency-key <key>", "the same key creates no second run")
    .option("--delay <duration>", "starts later: 30s, 10m, or a time")
    .option("--ttl <duration>", "expires if it has not started by then")
    .option("--tag <tag>", "may be given several times", (tag: string, all: string[] = []) => [...all, tag])
    .option("--machine <name>", "size of the pod, such as small-1x")
    .option("--priority <seconds>", "goes ahead of runs that are so much older")
    .option("--max-attempts <n>", "attempts in all")
    .option("--max-duration <seconds>", "it is killed after so long")
    .option("--test", "marks it as a test")
    .option("-w, --wait", "waits for the end; the exit code is 4 unless it succeeds")
    .addHelpText("after", examples)
    .action(
      calling<[string, string | undefined], TriggerFlags>(async ({ api, options, format }, task, payload) => {
        const body = { payload: await payloadOf(payload, options), options: optionsOf(options) };
        const to = path`/api/v1/tasks/${task}/trigger`;
        const handle = await call<{ id: string; isCached: boolean }>(api, { method: "POST", path: to, body });
        if (!options.wait) return showHandle(handle.id, handle.isCached, format);
        say(`${handle.id}${handle.isCached ? " (it exists already)" : ""}`);
        await watchRun(api, handle.id, format, say);
      }),
    );
}

function showHandle(id: string, isCached: boolean, format: Format): void {
  printResult({ id, isCached }, format, () => print(id));
  if (isCached) say("a run with this idempotency key exists already; this is it");
}

/** The payload as a value; what is not JSON is refused here, with the place. */
async function payloadOf(argument: string | undefined, { file }: TriggerFlags): Promise<unknown> {
  if (argument !== undefined && file !== undefined)
    throw usageError("payload: given as an argument and by --file; give one");
  const [text, from] = await source(argument, file);
  if (text === undefined) return undefined;
  if (text.trim() === "") throw usageError(`${from}: it is empty; give JSON, such as {}`);
  try {
    return parseExact(text);
  } catch (error) {
    throw usageError(
      `${from}: not JSON: ${(error as Error).message}; a text is written with quotes: '"text"'`,
    );
  }
}

async function source(
  argument: string | undefined,
  file: string | undefined,
): Promise<[string | undefined, string]> {
  if (file !== undefined && file !== "-") {
    try {
      return [readFileSync(file, "utf8"), file];
    } catch (error) {
      throw usageError(`--file: ${(error as Error).message}`);
    }
  }
  if (argument === "-" || file === "-") return [await readText(process.stdin), "stdin"];
  return [argument, "payload"];
}

function optionsOf(flags: TriggerFlags): object {
  const number = (name: string, text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) throw usageError(`${name}: "${text}" is no number`);
    return value;
  };
  const given = {
    queue: flags.queue === undefined ? undefined : { name: flags.queue },
    concurrencyKey: flags.concurrencyKey,
    idempotencyKey: flags.idempotencyKey,
    delay: flags.delay,
    ttl: flags.ttl,
    tags: flags.tag,
    machine: flags.machine,
    priority: number("--priority", flags.priority),
    maxAttempts: number("--max-attempts", flags.maxAttempts),
    maxDuration: number("--max-duration", flags.maxDuration),
    test: flags.test,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
