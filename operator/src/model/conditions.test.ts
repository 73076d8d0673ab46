import { expect, test } from "vitest";
import { type Condition, setCondition } from "./conditions.ts";

const early = "2026-01-01T00:00:00Z";
const late = "2026-01-01T01:00:00Z";

const ready: Condition = {
  type: "Ready",
  status: "True",
  reason: "Accepted",
  message: "All is well.",
  lastTransitionTime: early,
  observedGeneration: 1,
};

test("a condition of a new type is added at the end", () => {
  const wanted = { type: "Finished", isTrue: false, reason: "Running", message: "" };
  expect(setCondition([ready], wanted, late, 2)).toEqual([
    ready,
    {
      type: "Finished",
      status: "False",
      reason: "Running",
      message: "",
      lastTransitionTime: late,
      observedGeneration: 2,
    },
  ]);
});

test("a condition whose status stays keeps the time of its last change, and takes the rest", () => {
  const wanted = { type: "Ready", isTrue: true, reason: "Chosen", message: "Still well." };
  expect(setCondition([ready], wanted, late, 2)).toEqual([
    { ...ready, reason: "Chosen", message: "Still well.", observedGeneration: 2 },
  ]);
});

test("a condition whose status changes gets the time of the change, in its place", () => {
  const other: Condition = { ...ready, type: "Other" };
  const wanted = { type: "Ready", isTrue: false, reason: "Paused", message: "" };
  const [changed, untouched] = setCondition([ready, other], wanted, late, undefined);
  expect(changed).toEqual({
    type: "Ready",
    status: "False",
    reason: "Paused",
    message: "",
    lastTransitionTime: late,
  });
  expect(untouched).toBe(other);
});
