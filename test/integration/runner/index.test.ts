/** `runner --index`: what task files define, with either SDK, and what keeps files from being read. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { TaskIndex } from "@fairlead/protocol/taskIndex";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RunnerImage } from "../../support/runnerProcess.ts";
import { bundleTasks } from "../../support/taskBundle.ts";

const node = join(import.meta.dirname, "../../../node_modules/node/bin/node");
let image: RunnerImage;
beforeAll(async () => {
  image = await RunnerImage.build();
});
afterAll(() => image.remove());

function index(args: string[], env: Record<string, string> = {}) {
  const runner = join(image.folder, "runner.mjs");
  const child = spawnSync(node, [runner, "--index", ...args], { env, encoding: "utf8" });
  const result = (): TaskIndex => JSON.parse(child.stdout);
  return { code: child.status, stderr: child.stderr, result };
}

const source = `
import { metadata, queue, schemaTask, schedules, task } from "@trigger.dev/sdk";
import { z } from "./operator/node_modules/zod/index.js";
console.log("a line of the file's own", typeof metadata.set);
export const emails = queue({ name: "emails", concurrencyLimit: 2 });
export const plain = task({
  id: "plain", description: "does it", queue: emails, machine: "small-2x", maxDuration: 60, ttl: "10m",
  retry: { maxAttempts: 5, outOfMemory: { machine: "large-1x" } },
  run: async () => 1,
});
export const checked = schemaTask({ id: "checked", schema: z.object({ n: z.number(), s: z.string().default("x") }), run: async (p) => p });
export const hourly = schedules.task({ id: "hourly", cron: { pattern: "0 * * * *", timezone: "Europe/Berlin" }, run: async () => 1 });
schedules.task({ id: "attached", queue: { concurrencyLimit: 1 }, run: async () => 1 });
`;

describe.each(process.env.SDKS?.split(",") ?? ["@trigger.dev/sdk", "@fairlead/sdk"])(
  "files with %s",
  (sdk) => {
    it("all tasks, schedules and queues with their settings", async () => {
      const file = await bundleTasks(source, join(image.folder, `${sdk.replaceAll(/\W/g, "-")}.mjs`), sdk);
      const { code, result, stderr } = index([file]);
      expect(code).toBe(0);
      expect(stderr).toContain("a line of the file's own");
      const { tasks, ...rest } = result();
      expect(rest).toEqual({
        ...{ v: 1, duplicates: [], errors: [], standIns: [], notes: [] },
        queues: [{ name: "emails", concurrencyLimit: 2 }],
      });
      const byId = Object.fromEntries(tasks.map((one) => [one.id, one]));
      expect(byId.plain).toMatchObject({
        ...{ file, exportName: "plain", description: "does it" },
        ...{
          queue: { name: "emails", concurrencyLimit: 2 },
          machine: "small-2x",
          maxDuration: 60,
          ttl: "10m",
        },
        retry: { maxAttempts: 5, outOfMemory: { machine: "large-1x" } },
      });
      expect(byId.plain?.at).toMatch(/\.mjs:\d+:\d+$/);
      expect(byId.checked?.payloadSchema).toMatchObject({
        ...{ type: "object", required: ["n"] },
        properties: { n: { type: "number" }, s: { type: "string", default: "x" } },
      });
      expect(byId.hourly).toMatchObject({
        ...{ schedule: { cron: "0 * * * *", timezone: "Europe/Berlin" }, isScheduled: true },
      });
      expect(byId.attached).toMatchObject({ isScheduled: true, queue: { concurrencyLimit: 1 } });
      expect(byId.attached).not.toHaveProperty("schedule");
    });
  },
);

/** A file that needs no bundling. */
const withTask = (id: string, before = ""): string => `${before}
const catalog = globalThis[Symbol.for("dev.trigger.ts.api")]["resource-catalog"];
export const one = catalog.registerTaskMetadata({ id: ${JSON.stringify(id)}, fns: { run: () => 1 } });`;

describe("what is wrong with files", () => {
  it("an id that comes twice is named with both places", () => {
    const files = [image.module(withTask("same")), image.module(withTask("same"))];
    const { code, result } = index(files);
    expect(code).toBe(1);
    expect(result().duplicates).toEqual([
      { id: "same", at: files.map((file) => expect.stringMatching(`^${file}:3:\\d+$`)) },
    ]);
  });

  it("a file that throws is named with the place, and keeps no other from being read", () => {
    const broken = image.module(`\n\nthrow new RangeError("not today");`);
    const whole = image.module(withTask("whole"));
    const { code, result } = index([broken, whole]);
    expect(code).toBe(1);
    expect(result().errors).toEqual([
      { file: broken, name: "RangeError", message: "not today", at: `${broken}:3:7` },
    ]);
    expect(result().tasks.map(({ id }) => id)).toEqual(["whole"]);
  });

  it.each([
    [
      "a variable that the message does not name",
      `if (!process.env.STRIPE_KEY) throw new Error("no key");`,
      ["STRIPE_KEY"],
    ],
    [
      "the one that the message names",
      `process.env.OTHER; process.env.STRIPE_KEY; throw new Error("STRIPE_KEY is required");`,
      ["STRIPE_KEY"],
    ],
    [
      "one that is read by listing",
      `const { ...all } = process.env; throw new Error("Invalid environment: DATABASE_URL: Required");`,
      ["DATABASE_URL"],
    ],
    ["none for an error that is about none", `throw new Error("other");`, undefined],
    ["none that is set", `if (process.env.SET_ONE) throw new Error("other");`, undefined],
  ])("a missing variable: %s", (_what, text, missing) => {
    const file = image.module(text);
    const [error] = index([file], { SET_ONE: "1" }).result().errors;
    expect(error?.file).toBe(file);
    expect(error?.missingEnv).toEqual(missing);
  });

  it("stand-ins let a file be read that misses one variable after another", () => {
    const checks = ["A_KEY", "DATABASE_URL", "API_URL"].map(
      (name) =>
        `if (!process.env.${name}) throw new Error("missing"); new URL(process.env.${name}.replace("stand-in-a-key", "x:y"));`,
    );
    const file = image.module(withTask("needs", checks.join("\n")));
    expect(index([file]).code).toBe(1);
    const { code, result } = index(["--stand-ins", file]);
    expect(result()).toMatchObject({
      tasks: [{ id: "needs" }],
      standIns: ["A_KEY", "DATABASE_URL", "API_URL"],
    });
    expect(code).toBe(0);
  });

  it.each([
    ["exits", `process.exit(0);`, { name: "ProcessExit" }],
    ["waits for ever", `await new Promise(() => {});`, { message: expect.stringContaining("never settled") }],
    [
      "fails in a timer",
      `setTimeout(() => { throw new Error("late"); }); await new Promise((r) => setTimeout(r, 5000));`,
      { message: "late" },
    ],
    ["cannot be parsed", `const = 1;`, { name: "SyntaxError", at: expect.stringMatching(/:1$/) }],
    [
      "imports what is not there",
      `import "./nowhere.mjs";`,
      { message: expect.stringContaining("nowhere.mjs") },
    ],
    ["throws what is no error", `throw "text";`, { message: "text" }],
  ])("a file that %s is an error of its own", (_what, text, error) => {
    const [broken, whole] = [image.module(text), image.module(withTask("whole"))];
    const { code, result } = index([broken, whole]);
    expect(code).toBe(1);
    expect(result().errors).toMatchObject([{ file: broken, ...error }]);
    expect(result().tasks).toHaveLength(1);
  });

  it("a command without files is refused", () => {
    const { code, stderr } = index([]);
    expect(code).toBe(2);
    expect(stderr).toContain("usage: ");
  });

  it("what a newer SDK wants is named", () => {
    const text = `globalThis[Symbol.for("dev.trigger.ts.api")]["resource-catalog"].registerRobotMetadata({}); globalThis[Symbol.for("dev.trigger.ts.api")].robots;`;
    expect(index([image.module(text)]).result().notes).toEqual([
      expect.stringContaining('"resource-catalog.registerRobotMetadata"'),
      expect.stringContaining('"robots"'),
    ]);
  });
});
