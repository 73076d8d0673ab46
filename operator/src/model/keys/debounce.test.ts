import { debouncedRequestsAnnotation } from "@fairlead/protocol/labels";
import { describe, expect, it } from "vitest";
import type { TaskRun } from "../resources.ts";
import { type Debounce, debouncedRunName, debounceStep, withAnswered } from "./debounce.ts";

const created = Date.UTC(2026, 0, 1);
const debounce: Debounce = { key: "k", delaySeconds: 10, mode: "leading" };

function run(more: { phase?: string; untilMs?: number; annotations?: object; canceled?: boolean } = {}) {
  const { phase, untilMs = created + 10_000, annotations, canceled } = more;
  return {
    metadata: { creationTimestamp: new Date(created).toISOString(), annotations },
    spec: { debounce, delayUntil: new Date(untilMs).toISOString(), cancelRequested: canceled },
    status: phase && { phase },
  } as unknown as TaskRun;
}

describe("a debounced trigger", () => {
  it("a trigger moves the start of a run that is delayed, or has no status yet", () => {
    expect(debounceStep(run({ phase: "Delayed" }), debounce, created + 4_000)).toEqual({
      push: created + 14_000,
    });
    expect(debounceStep(run(), debounce, created + 1)).toEqual({ push: created + 10_001 });
  });

  it("a trigger never makes a run start earlier", () => {
    const shorter = { ...debounce, delaySeconds: 1 };
    expect(debounceStep(run({ phase: "Delayed" }), shorter, created)).toEqual({ push: created + 10_000 });
  });

  it.each([
    ["has left its delay", run({ phase: "Queued" }), created + 1],
    ["has ended", run({ phase: "Completed" }), created + 1],
    ["is being canceled", run({ phase: "Delayed", canceled: true }), created + 1],
    ["is due in this moment", run({ phase: "Delayed" }), created + 10_000],
  ])("a trigger leaves alone a run that %s", (_what, one, now) =>
    expect(debounceStep(one, debounce, now)).toEqual({ another: true }),
  );

  it("a trigger leaves alone a run that would start after maxDelay", () => {
    const limited = { ...debounce, maxDelaySeconds: 15 };
    expect(debounceStep(run({ phase: "Delayed" }), limited, created + 5_000)).toEqual({
      push: created + 15_000,
    });
    expect(debounceStep(run({ phase: "Delayed" }), limited, created + 5_001)).toEqual({ another: true });
  });

  it("a trigger that is sent again gets the run that it got before, even a finished one", () => {
    const annotations = withAnswered(run({ annotations: withAnswered(undefined, "a") }), "b");
    for (const request of ["a", "b"]) {
      const ended = run({ phase: "Completed", annotations });
      expect(debounceStep(ended, debounce, created + 60_000, request)).toEqual({ answered: true });
    }
    expect(debounceStep(run({ phase: "Delayed", annotations }), debounce, created, "c")).toHaveProperty(
      "push",
    );
  });
});

it("a run remembers the last 50 requests", () => {
  let annotations: Record<string, string> = {};
  for (let n = 0; n < 200; n++) annotations = withAnswered(run({ annotations }), `request-${n}`);
  expect(annotations[debouncedRequestsAnnotation]?.split(",")).toHaveLength(50);
  expect(withAnswered(undefined, undefined)).toEqual({});
});

it("debounced runs are named by namespace, task, key and generation", () => {
  const names = [
    debouncedRunName("n", "t", "k", 0),
    debouncedRunName("n", "t", "k", 1),
    debouncedRunName("n", "t", "k1", 0),
    debouncedRunName("n", "tk", "", 0),
    debouncedRunName("nt", "", "k", 0),
  ];
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^d[a-z0-9]{24}$/);
});
