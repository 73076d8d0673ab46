/**
 * From a folder of task files, outside of the repository, to a run of their code: `fairlead deploy`, and what
 * the run says of itself.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repoRoot } from "../../hack/lib/paths.ts";
import { ApiAccess } from "../support/release/apiAccess.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
let access: ApiAccess;
let folder: string;

beforeAll(async () => {
  ns = await TestNamespace.create("deploy");
  access = await ApiAccess.open(ns.name);
  folder = mkdtempSync(join(tmpdir(), "deploy-"));
  write("package.json", JSON.stringify({ name: "shop", type: "module" }));
  write(
    "trigger.config.ts",
    'import { defineConfig } from "@trigger.dev/sdk";\nexport default defineConfig({ project: "proj_shop", dirs: ["./src/trigger"], maxDuration: 60, retries: { default: { maxAttempts: 1 } } });\n',
  );
  write("src/lib/greet.ts", "export const greet = (name: string): string => `Hello, ${name}!`;\n");
  write(
    "src/trigger/greet.ts",
    [
      'import { task } from "@trigger.dev/sdk";',
      'import { greet } from "../lib/greet";',
      'export const hello = task({ id: "shop/hello", run: async ({ name }: { name: string }) => {',
      '  console.log("greeting", name);',
      "  return { greeting: greet(name), from: process.env.SHOP };",
      "} });",
      'export const broken = task({ id: "broken", run: async () => {',
      '  throw new Error("out of apples");',
      "} });",
    ].join("\n"),
  );
  mkdirSync(join(folder, "node_modules", "@trigger.dev"), { recursive: true });
  const sdk = join("node_modules", "@trigger.dev", "sdk");
  symlinkSync(join(repoRoot, sdk), join(folder, sdk));
});
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await access?.close();
  await ns?.remove();
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function fairlead(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    TRIGGER_API_URL: access.url,
    TRIGGER_SECRET_KEY: access.key,
  };
  return new Promise((resolve) => {
    const main = join(repoRoot, "cli", "src", "main.ts");
    execFile(process.execPath, [main, ...args], { env, cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test("a folder of task files with the official SDK is deployed and runs, without an image of its own", async () => {
  expect(await fairlead("env", "set", "SHOP=corner")).toMatchObject({ code: 0 });
  expect(await fairlead("deploy")).toMatchObject({ code: 0 });
  const run = await fairlead("trigger", "shop/hello", '{"name":"Ada"}', "--wait");
  expect(run).toMatchObject({ code: 0 });
  expect(JSON.parse(run.stdout)).toEqual({ greeting: "Hello, Ada!", from: "corner" });
  const [id] = /run_\S+/.exec(run.stderr) ?? [];
  expect((await fairlead("runs", "logs", id ?? "")).stdout).toContain("greeting Ada\n");
});

test("a failure names the line of the source, and the next deploy mends it; a rollback brings it back", async () => {
  const failed = await fairlead("trigger", "broken", "{}", "--wait", "-o", "json");
  expect(failed.code).toBe(4);
  const { error } = JSON.parse(failed.stdout) as { error: { message: string; stackTrace: string } };
  expect(error.message).toBe("out of apples");
  expect(error.stackTrace).toMatch(/src\/trigger\/greet\.ts:8:\d+/);
  write(
    "src/trigger/more.ts",
    'import { task } from "@trigger.dev/sdk";\nexport const more = task({ id: "more", run: async () => "more" });\n',
  );
  expect((await fairlead("deploy")).stdout).toMatch(/Task\s+more\s+created/);
  expect(await fairlead("trigger", "more", "{}", "--wait")).toMatchObject({ code: 0, stdout: "more\n" });
  expect(await fairlead("versions", "rollback")).toMatchObject({ code: 0 });
  expect((await ns.kubectl("get", "tasks", "--output", "name")).split("\n")).not.toContain(
    "task.fairlead.dev/more",
  );
});
