import { expect, test } from "vitest";
import { endOfBatch, withBatchConditions } from "./phase.ts";

test("the end is Completed only when every run completed", () => {
  const counts = { total: 2, created: 2, running: 0, completed: 2, failed: 0, canceled: 0 };
  expect(endOfBatch(counts, undefined)).toMatchObject({ phase: "Completed" });
  expect(endOfBatch(counts, "Canceled")).toMatchObject({ phase: "Completed" });
  const mixed = { ...counts, completed: 1, failed: 1 };
  expect(endOfBatch(mixed, undefined)).toMatchObject({ phase: "PartiallyFailed", reason: "ItemsFailed" });
  expect(endOfBatch(mixed, "Canceled")).toMatchObject({ phase: "PartiallyFailed", reason: "Canceled" });
  const none = { ...counts, total: 0, created: 0, completed: 0 };
  expect(endOfBatch(none, undefined)).toMatchObject({ phase: "Completed" });
  expect(endOfBatch(none, "Canceled")).toMatchObject({ phase: "PartiallyFailed", reason: "Canceled" });
  expect(endOfBatch(mixed, "ItemsChanged").message).toContain("create another TaskBatch");
});

const endOfCanceled = { phase: "PartiallyFailed", reason: "Canceled", message: "" } as const;

test("conditions follow the phase, and keep the time of their last change", () => {
  const [early, late] = ["2030-01-01T00:00:00.000Z", "2030-01-01T00:01:00.000Z"];
  const running = withBatchConditions({ phase: "Processing", reason: "Processing", message: "" }, early);
  const ended = withBatchConditions({ ...running, ...endOfCanceled }, late);
  const conditions = ended.conditions?.map(({ type, status, lastTransitionTime }) => [
    type,
    status,
    lastTransitionTime,
  ]);
  expect(conditions).toEqual([
    ["Finished", "True", late],
    ["Complete", "False", early],
    ["Failed", "False", early],
  ]);
});

test("a batch that repeats another has failed when that one had", () => {
  const failedWith = (failed: number) =>
    withBatchConditions(
      {
        phase: "PartiallyFailed",
        reason: "Duplicate",
        counts: { total: 2, created: 2, running: 0, completed: 1, failed, canceled: 1 - failed },
      },
      "now",
    ).conditions?.find(({ type }) => type === "Failed")?.status;
  expect(failedWith(0)).toBe("False");
  expect(failedWith(1)).toBe("True");
});
