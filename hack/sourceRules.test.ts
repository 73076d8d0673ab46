import { describe, expect, test } from "vitest";
import { maxLines, problemsOf } from "./sourceRules.ts";

describe("source rules", () => {
  test.each([
    ["operator/src/model/a.ts", 'import { b } from "./b.ts";'],
    ["operator/src/model/schema/a.ts", 'import type { b } from "../b.ts";\nimport { z } from "zod";'],
    ["operator/src/controller/a.ts", 'import { b } from "../model/b.ts";'],
    ["operator/src/main.ts", 'import { b } from "./api/b.ts";\nimport { c } from "./controller/c.ts";'],
  ])("%s may have %s", (file, text) => {
    expect(problemsOf(file, text)).toEqual([]);
  });

  test.each([
    ["operator/src/model/a.ts", 'import { b } from "../kube/b.ts";'],
    ["operator/src/model/a.ts", 'import { b } from "@fairlead/sdk";'],
    ["operator/src/model/a.ts", 'export * from "../jobs/b.ts";'],
    ["operator/src/controller/a.ts", 'import "../api/b.ts";'],
    ["operator/src/controller/a.ts", 'const b = await import("../api/b.ts");'],
    ["operator/src/api/runs/a.ts", 'import type { B } from "../../controller/b.ts";'],
  ])("%s may not have %s", (file, text) => {
    expect(problemsOf(file, text)).toHaveLength(1);
  });

  test("a file of the greatest length passes, one line more does not", () => {
    expect(problemsOf("hack/a.ts", "x\n".repeat(maxLines))).toEqual([]);
    expect(problemsOf("hack/a.ts", "x\n".repeat(maxLines + 1))).toEqual([
      `hack/a.ts: ${maxLines + 1} lines, at most ${maxLines}: split it`,
    ]);
  });
});
