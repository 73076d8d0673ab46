import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { TaskRunStatus } from "../resources.ts";
import { taskRunStatus } from "../schema/taskRun.ts";
import type { AttemptEnd, RunEvent } from "./event.ts";
import { cutText, fit } from "./fit.ts";
import { accepted, admitted, newRun, now, play, retry } from "./testEvents.ts";
import { transition } from "./transition.ts";

/** What a kubelet, a node or a program may say: of any length, halves of characters included. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc
    .tuple(fc.string({ unit: "binary", minLength: 1, maxLength: 9 }), fc.nat(1500))
    .map(([s, n]) => s.repeat(n)),
  fc.constantFrom("", "\ud800", "0001-01-01T00:00:00Z", "\u0000", "x".repeat(5000)),
);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const anyNumber = fc.oneof(fc.integer(), fc.constantFrom(Number.NaN, -1, 1.5, 2 ** 60));
const error = fc.record({ name: anyText, message: anyText, stack: maybe(anyText), code: maybe(anyText) });
const pod = { pod: maybe(anyText), podUid: fc.constant(undefined), node: maybe(anyText) };
const why = { reason: anyText, message: anyText };
const outcomes = ["Completed", "Failed", "Crashed", "TimedOut", "Infrastructure"] as const;
const end: fc.Arbitrary<AttemptEnd> = fc.record({
  outcome: fc.constantFrom(...outcomes),
  ...why,
  retryable: fc.boolean(),
  exitCode: maybe(anyNumber),
  error: maybe(error),
  outputRef: maybe(fc.record({ key: anyText, size: fc.nat(), type: anyText })),
  startedAt: maybe(anyText),
});

const event: fc.Arbitrary<(status: TaskRunStatus | undefined) => RunEvent> = fc
  .oneof(
    fc.record({ type: fc.constant("Accepted" as const), payloadDigest: maybe(anyText) }),
    fc.record({ type: fc.constant("Rejected" as const), ...why }),
    fc.record({ type: fc.constant("Inadmissible" as const), ...why }),
    fc.record({
      type: fc.constant("Admitted" as const),
      slot: fc.nat(),
      queue: maybe(anyText),
      version: anyText,
    }),
    fc.record({ type: fc.constant("StartBlocked" as const), attempt: fc.constant(0), ...why }),
    fc.record({ type: fc.constant("Started" as const), attempt: fc.constant(0), at: anyText, ...pod }),
    fc.record({ type: fc.constant("StartTimedOut" as const), attempt: fc.constant(0), ...why }),
    fc.record({
      type: fc.constant("AttemptEnded" as const),
      ...{ attempt: fc.constant(0), end, retry: fc.constant(retry), random: fc.constant(0), ...pod },
    }),
    fc.record({
      type: fc.constant("ContainerGone" as const),
      ...{
        attempt: fc.constant(0),
        retry: fc.constant(retry),
        random: fc.constant(0),
        exitCode: maybe(anyNumber),
      },
      ...pod,
    }),
    fc.record({
      type: fc.constant("Captured" as const),
      attempt: fc.constant(0),
      logKey: maybe(anyText),
      ...pod,
    }),
    fc.constant({ type: "CancelRequested" } as const),
  )
  .map((e) => (status) => {
    if (e.type === "Admitted") return { ...e, slot: (status?.slot ?? 0) + 1 };
    return "attempt" in e ? ({ ...e, attempt: status?.attempt ?? 1 } as RunEvent) : (e as RunEvent);
  });

describe("a status", () => {
  test("fits its schema, whatever the events say", () => {
    let written = 0;
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        let run = play(newRun(), accepted, admitted(1));
        for (const make of events) {
          const next = transition(run, make(run.status), now);
          if ("refused" in next) continue;
          written += 1;
          expect(taskRunStatus.safeParse(next.status).error?.issues ?? []).toEqual([]);
          run = { ...run, status: next.status };
        }
      }),
      { numRuns: 500 },
    );
    expect(written).toBeGreaterThan(500);
  });
});

test("text is cut between characters, with an ellipsis, and only where it is too long", () => {
  expect(cutText("abcdef", 6)).toBe("abcdef");
  expect(cutText("abcdefg", 6)).toBe("abc...");
  expect(cutText("ab😀defg", 6)).toBe("ab...");
  const schema = z.object({
    a: z.string().max(4),
    list: z.array(z.int()).max(2),
    at: z.iso.datetime().optional(),
  });
  expect(fit(schema, { a: "abcdef", list: [1, 2, 3], at: "soon" })).toEqual({ a: "a...", list: [2, 3] });
});
