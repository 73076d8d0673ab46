import { describe, expect, test } from "vitest";
import type { TaskBatch, TaskRun } from "../resources.ts";
import { batchRun, inlinePayload, itemProblem, payloadBytes, resultOf, withDefaults } from "./item.ts";

const batch = {
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "TaskBatch",
  metadata: { name: "nightly", namespace: "default", uid: "b1" },
  spec: { ttlSecondsAfterFinished: 60 },
} as TaskBatch;

describe("withDefaults", () => {
  test("the item wins, field by field", () => {
    expect(withDefaults({ task: "a", priority: 2 }, { priority: 1, tags: ["x"] })).toEqual({
      task: "a",
      priority: 2,
      tags: ["x"],
    });
  });
  test("an item's payload replaces the default one as a whole", () => {
    expect(withDefaults({ payloadData: "x" }, { task: "t", payload: { a: 1 }, payloadType: "b" })).toEqual({
      task: "t",
      payloadData: "x",
    });
  });
  test("an item's container replaces the default task, and its task the default container", () => {
    expect(withDefaults({ container: { image: "i" } }, { task: "t" })).toEqual({ container: { image: "i" } });
    expect(withDefaults({ task: "t" }, { container: { image: "i" } })).toEqual({ task: "t" });
  });
});

test.each([
  ["no object", 7, /an item must be a JSON object/],
  ["an unknown field", { task: "t", colour: "red" }, /colour/],
  ["what the batch decides", { task: "t", cancelRequested: true }, /cancelRequested/],
  ["a wrong type", { task: "t", priority: "high" }, /priority: .*number/],
  ["an empty task", { task: "" }, /task: /],
])("an item is refused for %s", (_what, item, message) => {
  expect(itemProblem(item)).toMatch(message);
});

test("an item may have a payload that is too long for a TaskRun", () => {
  expect(itemProblem({ task: "t", payloadData: "x".repeat(100_000) })).toBeUndefined();
});

test("a payload is measured in bytes, wherever it is", () => {
  expect(payloadBytes({ task: "t", payload: "ü" })).toBe(4);
  expect(payloadBytes({ task: "t", payloadData: "ab" })).toBe(2);
  expect(payloadBytes({ task: "t", payloadRef: { key: "k", size: 9 } })).toBe(9);
  expect(payloadBytes({ task: "t" })).toBe(0);
  expect(inlinePayload({ task: "t", payload: null })).toBe("null");
});

test("a run of a batch is owned by the batch, and names its item", () => {
  const run = batchRun(batch, 7, { task: "t" }, "nightly-7");
  expect(run.metadata).toEqual({
    name: "nightly-7",
    namespace: "default",
    labels: { "fairlead.dev/origin": "batch", "fairlead.dev/batch": "nightly" },
    ownerReferences: [
      { apiVersion: batch.apiVersion, kind: "TaskBatch", name: "nightly", uid: "b1", controller: true },
    ],
  });
  expect(run.spec).toEqual({
    task: "t",
    batch: { name: "nightly", index: 7 },
    ttlSecondsAfterFinished: 60,
  });
});

test("a result of a run without an error says why the run ended", () => {
  const run = {
    metadata: { name: "nightly-7", namespace: "default", uid: "r7" },
    spec: { task: "t" },
    status: { phase: "Expired", reason: "TtlElapsed", message: "It waited too long." },
  } as TaskRun;
  expect(resultOf(7, run)).toMatchObject({
    index: 7,
    run: { name: "nightly-7", uid: "r7" },
    phase: "Expired",
    task: "t",
    error: { name: "TtlElapsed", message: "It waited too long." },
  });
});
