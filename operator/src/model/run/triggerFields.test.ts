import { describe, expect, it } from "vitest";
import type { TaskRunSpec } from "../resources.ts";
import {
  immutableFields,
  replayOptions,
  summarySpec,
  trailingSpec,
  untilQueuedFields,
} from "./triggerFields.ts";

const spec: TaskRunSpec = {
  task: "hello",
  payloadData: "{}",
  priority: 5,
  delayUntil: "2026-01-01T00:00:00Z",
  maxDurationSeconds: 60,
  machine: "micro",
  tags: ["a"],
  idempotencyKey: "k",
};

describe("the table of a TaskRun's fields", () => {
  it("no field is both immutable and changeable by a debounced trigger", () => {
    expect(immutableFields).toContain("task");
    expect(untilQueuedFields).toContain("payloadRef");
    expect(immutableFields.filter((field) => untilQueuedFields.includes(field))).toEqual([]);
  });

  it("a summary has the fields that lists filter by, and no payload", () => {
    const summary = summarySpec(spec);
    expect(summary).toMatchObject({ task: "hello", machine: "micro", tags: ["a"], idempotencyKey: "k" });
    expect(summary).not.toHaveProperty("payloadData");
    expect(summary).not.toHaveProperty("priority");
  });

  it("a trailing trigger replaces the payload whole, and the other options only where it has them", () => {
    expect(trailingSpec(spec)).toEqual({
      payloadData: "{}",
      payloadType: undefined,
      payloadRef: undefined,
      maxDurationSeconds: 60,
      machine: "micro",
      tags: ["a"],
    });
  });

  it("a replay repeats options by the client's names, but neither delay nor idempotency key", () => {
    const options = replayOptions(spec);
    expect(options).toMatchObject({ maxDuration: 60, machine: "micro", priority: 5, tags: ["a"] });
    expect(options).not.toHaveProperty("delay");
    expect(options).not.toHaveProperty("idempotencyKey");
  });
});
