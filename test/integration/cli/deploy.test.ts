/**
 * `fairlead deploy` from a folder outside of the repository, with a real API server and a real bucket: what
 * becomes of a project, and what is said to one that is broken. That its code runs is in test/e2e.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { repoRoot } from "../../../hack/lib/paths.ts";
import { TaskQueues, Tasks } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type Task } from "../../../operator/src/model/resources.ts";
import { ApiReplica, key, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "project-"));
  write("package.json", JSON.stringify({ name: "shop", type: "module" }));
  write("trigger.config.ts", config("{}"));
  mkdirSync(join(folder, "node_modules", "@trigger.dev"), { recursive: true });
  symlinkSync(
    join(repoRoot, "node_modules", "@trigger.dev", "sdk"),
    join(folder, "node_modules", "@trigger.dev", "sdk"),
  );
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  for await (const { metadata } of api.client.listAll(Tasks, namespace))
    await api.client.delete(Tasks, namespace, metadata.name);
  for await (const { metadata } of api.client.listAll(TaskQueues, namespace))
    await api.client.delete(TaskQueues, namespace, metadata.name);
});

const config = (more: string) =>
  `import { defineConfig } from "@trigger.dev/sdk/v3";\nexport default defineConfig({ project: "proj_x", dirs: ["./trigger"], maxDuration: 300, ...${more} });\n`;
const taskFile = (id: string, more = "") =>
  `import { task } from "@trigger.dev/sdk/v3";\nexport const one = task({ id: "${id}", ${more} run: async (payload: { n: number }) => payload.n });\n`;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function deploy(args: readonly string[] = [], more: Record<string, string> = {}): Promise<Ended> {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    TRIGGER_API_URL: api.url,
    TRIGGER_SECRET_KEY: key,
    ...more,
  };
  return new Promise((resolve) => {
    const main = join(repoRoot, "cli", "src", "main.ts");
    execFile(process.execPath, [main, "deploy", ...args], { env, cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

async function taskNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const { metadata } of api.client.listAll(Tasks, namespace)) names.push(metadata.name);
  return names.sort();
}

test("a project's tasks are Tasks with the settings of code and config; a second deploy does nothing", async () => {
  write(
    "trigger.config.ts",
    config('{ retries: { default: { maxAttempts: 7, factor: 2 } }, machine: "small-2x" }'),
  );
  write(
    "trigger/mail.ts",
    taskFile("mail", 'queue: { name: "mails", concurrencyLimit: 3 }, ttl: "10m", maxDuration: 60,'),
  );
  write("trigger/deep/plain.ts", taskFile("plain", "retry: { maxAttempts: 1 },"));
  write("trigger/plain.test.ts", "throw new Error('a test is no task file')");
  expect(await deploy()).toMatchObject({ code: 0, stdout: expect.stringMatching(/Task\s+mail\s+created/) });
  expect((await api.client.get(Tasks, namespace, "mail"))?.spec).toMatchObject({
    bundle: { code: [expect.stringMatching(/^[0-9a-f]{64}$/)] },
    entry: "trigger/mail.mjs",
    queue: { name: "mails", concurrencyLimit: 3 },
    retry: { maxAttempts: 7, factor: 2 },
    machine: "small-2x",
    ttlSeconds: 600,
    maxDurationSeconds: 60,
  });
  expect((await api.client.get(Tasks, namespace, "plain"))?.spec).toMatchObject({
    entry: "trigger/deep/plain.mjs",
    retry: { maxAttempts: 1, factor: 2 },
    maxDurationSeconds: 300,
  });
  expect((await deploy()).stdout).toMatch(/^Nothing changed: shop is at version [0-9a-f]{12}\.\n$/);
  write("trigger/mail.ts", taskFile("mail"));
  expect((await deploy()).stdout).toMatch(/Task\s+mail\s+changed/);
  rmSync(join(folder, "trigger", "deep"), { recursive: true });
  expect((await deploy()).stdout).toMatch(/Task\s+plain\s+deleted/);
  expect(await taskNames()).toEqual(["mail"]);
});

test("a dry run as YAML is what kubectl applies, and changes nothing", async () => {
  write("trigger/a.ts", taskFile("dry"));
  const { code, stdout } = await deploy(["--dry-run", "-o", "yaml"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^---\napiVersion: fairlead.dev\/v1alpha1\nkind: Task\n/);
  expect(await taskNames()).toEqual([]);
});

test("variables come from .env; a config may be of any form", async () => {
  rmSync(join(folder, "trigger.config.ts"));
  write(
    "fairlead.config.mjs",
    'if (!process.env.FROM_FILE) throw new Error("no file");\nexport const config = { dirs: ["jobs/**/tasks"] };\n',
  );
  write(".env", "FROM_FILE=yes\n");
  write(
    "jobs/one/tasks/a.js",
    `if (!process.env.FROM_FILE) throw new Error("unset");\n${taskFile("globbed").replace(": { n: number }", "")}`,
  );
  write("jobs/one/other/b.ts", "throw new Error('not in a folder of tasks')");
  expect(await deploy()).toMatchObject({ code: 0 });
  expect(await taskNames()).toEqual(["globbed"]);
});

describe("of a broken project nothing is deployed, and it is said where and what to do:", () => {
  beforeEach(() => write("trigger/good.ts", taskFile("good")));

  test.each<[string, () => void, (string | RegExp)[]]>([
    ["a syntax error", () => write("trigger/bad.ts", "export const = 5;\n"), ["trigger/bad.ts:1:14"]],
    [
      "an import that is not there",
      () => write("trigger/bad.ts", 'import { x } from "./missing";\nexport { x };\n'),
      ["trigger/bad.ts:1:19", "./missing"],
    ],
    [
      "two tasks of one id",
      () => write("trigger/bad.ts", taskFile("good")),
      ["task good is defined 2 times", /good\.ts:2/, /bad\.ts:2/],
    ],
    [
      "an import that throws",
      () => write("trigger/bad.ts", 'throw new Error("boom");\n'),
      [/bad\.ts:1/, "trigger/bad.ts cannot be imported: Error: boom"],
    ],
    [
      "a variable that is not set",
      () =>
        write(
          "trigger/bad.ts",
          'if (!process.env.OPENAI_API_KEY) throw new Error("OPENAI_API_KEY is required");\nexport const x = 1;\n',
        ),
      ["trigger/bad.ts", "not set: OPENAI_API_KEY", "fairlead env set"],
    ],
    [
      "a config that throws",
      () => write("trigger.config.ts", 'throw new Error("no DB");\n'),
      ["trigger.config.ts cannot be evaluated: no DB"],
    ],
    [
      "a config that exits",
      () => write("trigger.config.ts", "process.exit(3);\n"),
      ["the build ended without a result"],
    ],
    [
      "a config without an export",
      () => write("trigger.config.ts", "export const a = 1;\n"),
      ["trigger.config.ts: it exports no configuration"],
    ],
    [
      "a folder that is not there",
      () => write("trigger.config.ts", config('{ dirs: ["./nope"] }')),
      ['dirs: "./nope" is not there'],
    ],
    [
      "no tasks",
      () => write("trigger/good.ts", "export const a = 1;\n"),
      ["no file defines a task", "trigger/good.ts"],
    ],
    [
      "a machine that is none",
      () => write("trigger.config.ts", config('{ machine: "huge" }')),
      ['task good: machine "huge" is none; it must be micro'],
    ],
    [
      "an extension that needs an image",
      () =>
        write(
          "trigger.config.ts",
          config(
            '{ build: { extensions: [{ name: "ffmpeg", onBuildStart: (c: any) => c.addLayer({ id: "f", image: { pkgs: ["ffmpeg"] } }) }] } }',
          ),
        ),
      ["ffmpeg needs an image, since it asks for the packages ffmpeg"],
    ],
    [
      "a cron that is none",
      () =>
        write(
          "trigger/bad.ts",
          'import { schedules } from "@trigger.dev/sdk";\nexport const s = schedules.task({ id: "tick", cron: "99 * * * *", run: async () => {} });\n',
        ),
      ["tasks.tick.schedule.cron"],
    ],
  ])("%s", async (_what, breakIt, messages) => {
    breakIt();
    const { code, stderr } = await deploy();
    expect(code).toBeGreaterThan(0);
    for (const message of messages)
      expect(stderr).toMatch(
        message instanceof RegExp ? message : new RegExp(message.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")),
      );
    expect(await taskNames()).toEqual([]);
  });

  test("a Task that kubectl owns", async () => {
    await api.client.create(Tasks, namespace, {
      apiVersion,
      kind: "Task",
      metadata: { name: "good" },
      spec: { image: "x:1" },
    } as Task);
    const { code, stderr } = await deploy();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining("Task good is not of a deployment"),
    });
    expect((await api.client.get(Tasks, namespace, "good"))?.spec).toEqual({ image: "x:1" });
  });

  test("a wrong key, an API that is not there, a folder that is none", async () => {
    expect(await deploy([], { TRIGGER_SECRET_KEY: "tr_wrong_0123456789012345678901234567" })).toMatchObject({
      code: 3,
    });
    expect(await deploy([], { TRIGGER_API_URL: "http://127.0.0.1:1" })).toMatchObject({ code: 3 });
    expect(await deploy(["nowhere"])).toMatchObject({ code: 2, stderr: expect.stringContaining("folder: ") });
    expect(await deploy(["--project", "Not A Name"])).toMatchObject({ code: 2 });
  });
});
