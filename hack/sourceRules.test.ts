import { describe, expect, test } from "vitest";
import { maxLines, problemsOf, unusedExports, walls } from "./sourceRules.ts";

describe("walls between folders", () => {
  test.each([
    ["operator/src/model/a.ts", 'import { b } from "./b.ts";'],
    ["operator/src/model/schema/a.ts", 'import type { b } from "../b.ts";\nimport { z } from "zod";'],
    ["operator/src/model/a.ts", 'import { b } from "@fairlead/protocol/labels";'],
    ["operator/src/controller/a.ts", 'import { b } from "../model/b.ts";'],
    ["operator/src/kube/client/a.test.ts", 'import { Tasks } from "../../model/kinds.ts";'],
    ["operator/src/main.ts", 'import { b } from "./api/b.ts";\nimport { c } from "./controller/c.ts";'],
    ["test/e2e/a.test.ts", 'import { b } from "../../operator/src/controller/b.ts";'],
  ])("%s may have %s", (file, text) => {
    expect(problemsOf(file, text)).toEqual([]);
  });

  const forbidden: [folder: string, file: string, text: string][] = [
    ["protocol", "protocol/src/a.ts", 'import type { B } from "../../operator/src/model/b.ts";'],
    ["operator/src/lib", "operator/src/lib/a.ts", 'import type { B } from "../model/b.ts";'],
    ["operator/src/model", "operator/src/model/run/a.ts", 'export * from "../../jobs/b.ts";'],
    ["operator/src/model", "operator/src/model/a.ts", 'import { b } from "@fairlead/sdk";'],
    ["operator/src/jobs", "operator/src/jobs/a.ts", 'import type { B } from "../kube/b.ts";'],
    ["operator/src/kube", "operator/src/kube/client/a.ts", 'import { Tasks } from "../../model/kinds.ts";'],
    ["operator/src/queue", "operator/src/queue/a.ts", 'import type { B } from "../kube/b.ts";'],
    ["operator/src/storage", "operator/src/storage/a.ts", 'import type { B } from "../kube/client/b.ts";'],
    ["operator/src/storage", "operator/src/storage/a.ts", 'import type { Config } from "../config.ts";'],
    ["operator/src/storage", "operator/src/storage/a.test.ts", 'import { b } from "../jobs/b.ts";'],
    ["operator/src/telemetry", "operator/src/telemetry/a.ts", 'import type { B } from "../controller/b.ts";'],
    ["operator/src/runs", "operator/src/runs/a.ts", 'import type { B } from "../api/b.ts";'],
    ["operator/src/controller", "operator/src/controller/a.ts", 'const b = await import("../api/b.ts");'],
    ["operator/src/api", "operator/src/api/runs/a.ts", 'import type { B } from "../../controller/b.ts";'],
    ["operator/src/api", "operator/src/api/a.ts", 'import "../jobs/b.ts";'],
    ["sdk", "sdk/src/a.ts", 'import type { B } from "../../operator/src/b.ts";'],
    ["runtime-image", "runtime-image/src/a.ts", 'import type { B } from "../../operator/src/b.ts";'],
    ["cli", "cli/src/a.ts", 'import { b } from "../../operator/src/b.ts";'],
  ];

  test.each(forbidden)("%s: %s may not have %s", (folder, file, text) => {
    expect(problemsOf(file, text)).toEqual([expect.stringContaining(`${folder}/ may import`)]);
  });

  test("every wall has a forbidden import above", () => {
    expect([...new Set(forbidden.map(([folder]) => folder))]).toEqual(Object.keys(walls));
  });
});

test("a file of the greatest length passes, and one line more does not", () => {
  expect(problemsOf("hack/a.ts", "x\n".repeat(maxLines))).toEqual([]);
  expect(problemsOf("hack/a.ts", "x\n".repeat(maxLines + 1))).toEqual([
    `hack/a.ts: ${maxLines + 1} lines, at most ${maxLines}: split it`,
  ]);
});

test("a comment of 110 columns passes, and one column more does not", () => {
  const comment = `  // ${"ü".repeat(105)}`;
  expect(problemsOf("hack/a.ts", `x\n${comment}\n`)).toEqual([]);
  expect(problemsOf("hack/a.ts", `x\n${comment}ü\n`)).toEqual([
    "hack/a.ts:2: a comment of 111 columns, at most 110",
  ]);
});

test("an export that no other file uses is found", () => {
  const texts = new Map([
    ["hack/a.ts", "export const used = 1;\nexport interface Alone {}\nexport async function dead() {}\n"],
    ["hack/b.ts", 'import { used } from "./a.ts";\n'],
    ["test/e2e/fixtures/tasks.ts", "export const byName = 1;\n"],
  ]);
  expect(unusedExports(texts)).toEqual([
    'hack/a.ts: exports Alone, which no other file uses: remove "export"',
    'hack/a.ts: exports dead, which no other file uses: remove "export"',
  ]);
});
