/**
 * `fairlead dev`: deploys the folder whenever a file is saved, and shows what the namespace's new runs print
 * and how they end. A save that does not build says why, and the version before stays. Runs go on after
 * Ctrl-C: they are the cluster's.
 */
import { existsSync, watch } from "node:fs";
import { resolve, sep } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import { type Api, call, path, send } from "../api.ts";
import { calling } from "../command.ts";
import { type DeployOptions, deployFolder } from "../deploy/deployFolder.ts";
import { projectOf } from "../deploy/project.ts";
import { usageError } from "../errors.ts";
import { paintStatus } from "../output.ts";
import type { Run } from "../runStream.ts";
import { paint, plain, print, say, seconds } from "../terminal.ts";

interface DevFlags {
  config?: string;
  project?: string;
  standIns?: boolean;
  cpu: string;
}

const settleMs = 80;
const lookMs = 1_000;
const followedAtOnce = 20;
const ignored = new Set(["node_modules", ".git", ".fairlead", ".trigger", ".next", "dist", "coverage"]);

export function addDev(program: Command): void {
  program
    .command("dev")
    .description("deploy on every save, and show what runs print; Ctrl-C ends it")
    .argument("[folder]", "with trigger.config.ts or fairlead.config.ts", ".")
    .option("--config <file>", "another configuration file")
    .option("--project <name>", "what the Tasks belong to; package.json's name otherwise")
    .option("--stand-ins", "reads files whose variables are not set, with made-up values")
    .option("--cpu <name>", "of the cluster's nodes: x64 or arm64", process.arch)
    .action(
      calling<[string], DevFlags>(async ({ api, options }, given) => {
        const folder = resolve(given);
        if (!existsSync(folder)) throw usageError(`folder: ${folder} is not there`);
        const project = projectOf(folder, options.project);
        await Promise.all([
          deployOnSave(api, folder, { ...options, project, target: "dev" }),
          followRuns(api),
        ]);
      }),
    );
}

/** One deploy at a time; what is saved meanwhile makes one more. */
async function deployOnSave(api: Api, folder: string, options: DeployOptions): Promise<void> {
  let changed = Promise.withResolvers<void>();
  watch(folder, { recursive: true }, (_event, file) => {
    if (!file?.split(sep).some((part) => ignored.has(part))) changed.resolve();
  });
  for (;;) {
    const began = performance.now();
    changed = Promise.withResolvers<void>();
    try {
      await deployFolder(api, folder, options, "table");
      say(
        paint("dim", `deployed in ${seconds(performance.now() - began)}; waiting for a save`, process.stderr),
      );
    } catch (error) {
      say(`${paint("red", "error:", process.stderr)} ${(error as Error).message}`);
      say(paint("dim", "the version before stays; waiting for a save", process.stderr));
    }
    await changed.promise;
    // An editor writes a file in several steps, and several files at once.
    await pause(settleMs);
  }
}

/** Runs that are created from now on. */
async function followRuns(api: Api): Promise<void> {
  const since = Date.now();
  const known = new Set<string>();
  let following = 0;
  for (;;) {
    const query = { "page[size]": 50, "filter[createdAt][from]": since - 1_000 };
    const page = await call<{ data: Run[] }>(api, { path: "/api/v1/runs", query }).catch((error: Error) => {
      say(`runs cannot be read: ${error.message}`);
      return { data: [] };
    });
    for (const run of page.data.reverse()) {
      if (known.has(run.id) || following >= followedAtOnce) continue;
      known.add(run.id);
      following++;
      void followRun(api, run)
        .catch((error: Error) => say(`${run.id}: ${error.message}`))
        .finally(() => following--);
    }
    await pause(lookMs);
  }
}

async function followRun(api: Api, { id, taskIdentifier }: Run): Promise<void> {
  const prefix = paint("cyan", `${plain(taskIdentifier)} ${id.slice(0, 12)}`);
  print(`${prefix} ${paint("dim", "started")}`);
  const { body } = await send(api, { path: path`/api/v1/runs/${id}/logs`, query: { follow: true } });
  let rest = "";
  for await (const part of (body as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(
    new TextDecoderStream(),
  )) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) print(`${prefix} ${line}`);
  }
  const run = await call<Run>(api, { path: path`/api/v3/runs/${id}` });
  const error = run.error && `\n${run.error.stackTrace || run.error.message}`;
  print(`${prefix} ${paintStatus(run.status)} ${seconds(run.durationMs)}${error ?? ""}`);
}
