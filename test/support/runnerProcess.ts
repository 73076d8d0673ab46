/**
 * Starts the bundled runner as the kubelet does: a process with variables, pipes for its output, and signals.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Report } from "@fairlead/protocol/report";
import { build } from "esbuild";
import { report } from "../../operator/src/model/run/report.ts";
import type { Given, ScriptedEngine } from "./servers/scriptedEngine.ts";

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/node/bin/node");

interface Ended {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** The raw termination message. */
  message: string;
}

export interface Started {
  process: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves when stdout holds the text. */
  printed: (text: string) => Promise<void>;
  /** The termination message at this moment. */
  message: () => string;
}

/** A folder with runner.mjs and tasks.mjs. */
export class RunnerImage {
  readonly folder = mkdtempSync(join(tmpdir(), "fairlead-runner-"));
  readonly #running = new Set<ChildProcess>();
  #count = 0;

  static async build(): Promise<RunnerImage> {
    const image = new RunnerImage();
    const common = {
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node24",
      absWorkingDir: root,
    } as const;
    const runner = join(image.folder, "runner.mjs");
    await build({ ...common, entryPoints: ["runtime-image/src/main.ts"], outfile: runner });
    const tasks = join(image.folder, "tasks.mjs");
    await build({ ...common, entryPoints: ["test/e2e/fixtures/tasks/tasks.ts"], outfile: tasks });
    return image;
  }

  /** Also kills processes that a failed test left behind. */
  async remove(): Promise<void> {
    for (const child of this.#running) {
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("close", resolve));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A module of its own for one test. */
  module(source: string): string {
    const path = join(this.folder, `module-${++this.#count}.mjs`);
    writeFileSync(path, source);
    return path;
  }

  start(engine: Engine, taskId: string, options: RunOptions = {}): Started {
    const count = ++this.#count;
    const log = join(this.folder, `termination-log-${count}`);
    writeFileSync(log, "");
    const tokenFile = join(this.folder, `token-${count}`);
    writeFileSync(tokenFile, `pod-${count}\n`);
    const { payload, attempt = 1, ctx, env } = options;
    const inline = payload !== undefined && {
      payload: { type: "application/json", text: JSON.stringify(payload) },
    };
    engine.give(`pod-${count}`, { ...inline, ...options.given });
    const variables: NodeJS.ProcessEnv = {
      PATH: process.env.PATH,
      FAIRLEAD_API_URL: engine.url,
      FAIRLEAD_TOKEN_FILE: tokenFile,
      FAIRLEAD_RUN_ID: "run_test",
      FAIRLEAD_NAMESPACE: "default",
      FAIRLEAD_ATTEMPT: String(attempt),
      FAIRLEAD_POD_UID: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e",
      FAIRLEAD_TASK_ID: taskId,
      FAIRLEAD_ENTRY: join(this.folder, "tasks.mjs"),
      FAIRLEAD_CTX: JSON.stringify(context(taskId, attempt, ctx)),
      FAIRLEAD_GRACE_PERIOD_SECONDS: "30",
      FAIRLEAD_TERMINATION_LOG: log,
      ...env,
    };
    const child = spawn(node, [join(this.folder, "runner.mjs"), ...(options.args ?? [])], { env: variables });
    this.#running.add(child);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    if (options.readOutputAfterMs) {
      child.stdout.pause();
      setTimeout(() => child.stdout.resume(), options.readOutputAfterMs);
    }
    let closed = false;
    const message = (): string => readFileSync(log, "utf8");
    const ended = new Promise<Ended>((resolve) =>
      child.on("close", (exitCode, signal) => {
        closed = true;
        this.#running.delete(child);
        resolve({ exitCode, signal, stdout, stderr, message: message() });
      }),
    );
    const printed = async (text: string): Promise<void> => {
      while (!stdout.includes(text)) {
        if (closed) throw new Error(`ended without "${text}" in its output: ${stdout}${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    return { process: child, ended, printed, message };
  }

  run(engine: Engine, taskId: string, options?: RunOptions): Promise<Ended> {
    return this.start(engine, taskId, options).ended;
  }
}

type Engine = Pick<ScriptedEngine, "url" | "give">;

interface RunOptions {
  /** As JSON, in the answer to the start. */
  payload?: unknown;
  given?: Given;
  attempt?: number;
  /** Merged into `ctx.run`. */
  ctx?: object;
  env?: NodeJS.ProcessEnv;
  args?: string[];
  /** Reads nothing before, so that the pipe fills up. */
  readOutputAfterMs?: number;
}

/** The termination message as the controller reads it. */
export function reportIn(ended: Ended): Report {
  if (Buffer.byteLength(ended.message) >= 4096)
    throw new Error(`${ended.message.length} characters are cut off`);
  return report.parse(JSON.parse(ended.message));
}

const context = (id: string, number: number, run: object | undefined): object => ({
  task: { id },
  attempt: { number, startedAt: "2026-01-01T00:00:01.000Z" },
  run: {
    id: "run_test",
    createdAt: "2026-01-01T00:00:00.000Z",
    startedAt: "2026-01-01T00:00:01.000Z",
    isTest: false,
    maxDuration: 3600,
    maxAttempts: 3,
    ...run,
  },
  queue: { name: `task/${id}` },
  environment: { slug: "default", type: "PRODUCTION" },
});
