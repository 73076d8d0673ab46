import { originLabel } from "@fairlead/protocol/labels";
import { expect, test } from "vitest";
import type { WaitToken } from "../../model/resources.ts";
import { deletionDue, statusOf } from "./reconciler.ts";

const now = "2026-01-01T00:00:00.000Z";
const later = "2026-01-01T01:00:00.000Z";
const token = (spec: WaitToken["spec"], status?: WaitToken["status"], labels = {}): WaitToken => ({
  ...{ apiVersion: "fairlead.dev/v1alpha1", kind: "WaitToken", spec },
  ...(status && { status }),
  metadata: { name: "t", namespace: "n", uid: "u", labels },
});

test("a token waits until it is completed, or its time is over; then it stays as it is", () => {
  expect(statusOf(token({}), now)).toEqual({ state: "Waiting" });
  expect(statusOf(token({ timeoutAt: later }), now)).toEqual({ state: "Waiting" });
  expect(statusOf(token({ timeoutAt: now }), now)).toEqual({ state: "TimedOut", completedAt: now });
  // As kubectl completes one.
  const completed = { state: "Completed", output: { ok: 1 } } as const;
  expect(statusOf(token({ timeoutAt: now }, completed), now)).toEqual({ ...completed, completedAt: now });
  const timedOut = { state: "TimedOut", completedAt: now } as const;
  expect(statusOf(token({ timeoutAt: now }, timedOut), later)).toEqual(timedOut);
});

test("a token of the API is deleted after its end, and not before its key is free; an applied one stays", () => {
  const ended = { state: "Completed", completedAt: now } as const;
  const api = { [originLabel]: "api" };
  expect(deletionDue(token({}, ended, api), 60)).toBe(Date.parse(now) + 60_000);
  expect(deletionDue(token({ idempotencyKeyExpiresAt: later }, ended, api), 60)).toBe(Date.parse(later));
  expect(deletionDue(token({}, ended), 60)).toBe(Number.POSITIVE_INFINITY);
});
