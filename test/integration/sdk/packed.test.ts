/**
 * The package that `npm run pack` makes, in a project outside of the repository: what it loads, where it
 * runs, its types.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import superjson from "superjson";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as sources from "../../../sdk/src/index.ts";
import { ConsumerProject, installed } from "../../support/consumerProject.ts";
import { richValue, ScriptedApi } from "../../support/servers/scriptedApi.ts";

let project: ConsumerProject;
let api: ScriptedApi;

beforeAll(async () => {
  project = await ConsumerProject.create();
  for (const name of ["exercise.mjs", "import.mjs", "require.cjs", "loaded.mjs"])
    await project.copyFixture(name);
});
afterAll(() => project?.remove());
beforeEach(async () => {
  api = await ScriptedApi.start();
});
afterEach(() => api.close());

/** The JSON that a script prints; without the proxy of the environment. */
async function output(command: string, args: readonly string[]) {
  const env = { TRIGGER_API_URL: api.url, TRIGGER_SECRET_KEY: "tr_test", NO_PROXY: "127.0.0.1" };
  return JSON.parse((await project.run(command, args, env)).stdout);
}

describe("the package", () => {
  it("the package has no dependencies, and names its license", () => {
    const manifest = JSON.parse(readFileSync(project.packageFile("package.json"), "utf8"));
    expect(manifest).toMatchObject({
      name: "@fairlead/sdk",
      license: "Apache-2.0",
      engines: { node: ">=20" },
    });
    expect(Object.keys(manifest).filter((key) => /dependencies/i.test(key))).toEqual([]);
    expect(manifest.private).toBeUndefined();
    expect(readFileSync(project.packageFile("README.md"), "utf8")).toContain("# The SDK");
    expect(readdirSync(join(project.folder, "node_modules", "@fairlead"))).toEqual(["sdk"]);
  });

  it("the package loads the code for other values than JSON's only for a value that needs it", async () => {
    const loaded = await output(installed("node/bin/node"), ["loaded.mjs", "import"]);
    expect(loaded.atOnce.length).toBeGreaterThan(0);
    expect(loaded.forPlainJson).toEqual([]);
    expect(loaded.forDate).toEqual([expect.stringMatching(/^esm\/encode-.*\.js$/)]);
  });
});

describe.each([
  { name: "Node as in the repository", program: "node/bin/node", args: [], says: /^node v2[4-9]\./ },
  { name: "Node 20", program: "../test/runtimes/node_modules/node/bin/node", args: [], says: /^node v20\./ },
  { name: "Bun", program: ".bin/bun", args: [], says: /^bun / },
  {
    name: "Deno",
    program: ".bin/deno",
    args: ["run", "--allow-net", "--allow-env", "--allow-read"],
    says: /^deno /,
  },
])("$name", ({ program, args, says }) => {
  it.each(["import.mjs", "require.cjs"])(
    "the package triggers tasks and follows runs (%s)",
    async (script) => {
      const said = await output(installed(program), [...args, script]);
      const handle = { id: "run_1", isCached: false, publicAccessToken: "public-token" };
      expect(said).toEqual({
        runtime: expect.stringMatching(says),
        exports: expect.any(Array),
        plain: handle,
        rich: handle,
        batch: { batchId: "batch_1", runCount: 1, isCached: false, publicAccessToken: "public-token" },
        asAnother: handle,
        statuses: ["EXECUTING", "COMPLETED"],
        restored: [true, true, "bigint"],
        refused: [true, 422, "no such task"],
      });
      expect(said.exports.sort()).toEqual(Object.keys(sources).sort());

      const triggers = api.calls.filter(({ call }) => call.endsWith("/trigger"));
      expect(triggers.map(({ call, authorization }) => [call.split("/")[4], authorization])).toEqual([
        ["refused", "Bearer tr_test"],
        ["hello-world", "Bearer tr_test"],
        ["hello", "Bearer tr_test"],
        ["hello", "Bearer another"],
      ]);
      const [, plain, rich] = triggers.map(({ body }) => JSON.parse(body));
      expect(plain).toEqual({ payload: { name: "Ada" }, options: { payloadType: "application/json" } });
      expect(rich.options).toEqual({ payloadType: "application/super+json" });
      expect(superjson.parse(rich.payload)).toEqual(richValue);
      const items = api.calls.find(({ call }) => call.endsWith("/items"))?.body ?? "";
      expect(
        items
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line)),
      ).toEqual([{ index: 0, task: "hello", payload: "text", options: { payloadType: "text/plain" } }]);
    },
  );
});

describe.each([
  { name: "NodeNext, an ES module", folder: "esm", type: "module", options: { module: "NodeNext" } },
  { name: "NodeNext, CommonJS", folder: "cjs", type: "commonjs", options: { module: "NodeNext" } },
  // Unlike NodeNext it does not let CommonJS require() an ES module, so it finds types of the wrong kind.
  { name: "Node16, CommonJS", folder: "cjs16", type: "commonjs", options: { module: "Node16" } },
  {
    name: "Bundler",
    folder: "bundler",
    type: "module",
    options: { module: "ESNext", moduleResolution: "Bundler" },
  },
  {
    name: "NodeNext with Node's types and without the DOM's",
    folder: "node-types",
    type: "module",
    options: { module: "NodeNext", lib: ["ES2022"], types: ["node"] },
  },
])("types, $name", ({ folder, type, options }) => {
  const compilerOptions = {
    target: "ES2022",
    types: [],
    typeRoots: [installed("@types")],
    strict: true,
    skipLibCheck: false,
    // With declarations, inferred types need names that a project can import.
    declaration: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    ...options,
  };

  beforeAll(async () => {
    await project.write(`${folder}/package.json`, { type });
    await project.write(`${folder}/tsconfig.json`, { compilerOptions, files: ["backend.ts"] });
    await project.copyFixture("tasks.ts", `${folder}/tasks.ts`);
    await project.copyFixture("backend.ts", `${folder}/backend.ts`);
  });

  it("the package's types let a backend trigger a task by its type", async () => {
    expect(await project.compile(folder)).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("the package's types refuse a payload of another type", async () => {
    const text = readFileSync(join(project.folder, folder, "backend.ts"), "utf8");
    const wrong = text.replace('{ name: "Ada" }', "{ name: 7 }");
    const line = wrong.split("\n").findIndex((each) => each.includes("name: 7")) + 1;
    await project.write(`${folder}/backend.ts`, wrong);
    const { code, stdout } = await project.compile(folder);
    expect(code).not.toBe(0);
    expect(stdout.trim().split("\n")[0]).toBe(
      `${folder}/backend.ts(${line},7): error TS2322: Type 'number' is not assignable to type 'string'.`,
    );
    expect(stdout.match(/error TS/g)).toHaveLength(1);
  });
});
