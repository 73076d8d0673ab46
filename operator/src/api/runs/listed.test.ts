import { idempotencyKeyAnnotation } from "@fairlead/protocol/labels";
import { currentApiVersion } from "@fairlead/protocol/status";
import { describe, expect, it } from "vitest";
import { parseExact } from "../../lib/exactJson.ts";
import { isRunOf } from "../../model/batch/item.ts";
import { apiVersion, type TaskBatch, type TaskRun } from "../../model/resources.ts";
import { readHistory, summaryOf, writeHistory } from "../../storage/runHistory.ts";
import { fromLive, fromSummary } from "./listed.ts";
import { filterOf } from "./wire/runFilter.ts";
import { listItem, runObject } from "./wire/runObject.ts";

/** A run with a value for every field that an answer shows. */
const run: TaskRun = {
  apiVersion,
  kind: "TaskRun",
  metadata: {
    name: "abc",
    namespace: "n",
    uid: "u",
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels: { "fairlead.dev/origin": "api" },
    annotations: { [idempotencyKeyAnnotation]: "order-1" },
  },
  spec: {
    task: "t",
    payloadData: "{}",
    queue: { name: "emails", concurrencyLimit: 2 },
    delayUntil: "2026-01-01T00:00:01Z",
    ttlSeconds: 600,
    idempotencyKey: "5f3c",
    tags: ["a"],
    machine: "micro",
    metadata: parseExact('{"id":3544790567247868102,"f":1.0}'),
    schedule: { name: "nightly", at: "2026-01-01T00:00:00Z" },
    batch: { name: "b", index: 3 },
    replayOf: "older",
    test: true,
  },
  status: {
    phase: "Expired",
    reason: "Expired",
    attempt: 1,
    version: "v1",
    queuedAt: "2026-01-01T00:00:02Z",
    startedAt: "2026-01-01T00:00:03Z",
    finishedAt: "2026-01-01T00:00:09Z",
    error: { name: "E", message: "m", stack: "s" },
    attempts: [{ number: 1, job: "abc-1", slot: 1, admittedAt: "2026-01-01T00:00:02Z", outcome: "Failed" }],
  },
};
const retired = fromSummary("n", summaryOf(run));
const json = (value: unknown): object => JSON.parse(JSON.stringify(value));

describe("a retired run", () => {
  it.each(Object.keys(listItem(run, currentApiVersion)))(
    "is listed with the same %s as a live one",
    (field) => {
      const [live, then] = [fromLive(run), retired].map((one) => listItem(one, currentApiVersion));
      expect(JSON.stringify(then?.[field as keyof typeof then])).toBe(
        JSON.stringify(live?.[field as keyof typeof live]),
      );
      expect(live).toHaveProperty(field);
      expect(live?.[field as keyof typeof live], "the test's run has no value for it").toBeDefined();
    },
  );

  it("is read with every field of the live one", async () => {
    const objects = new Map<string, Uint8Array>();
    const store = {
      put: async (key: string, body: string | Uint8Array) => void objects.set(key, Buffer.from(body)),
      get: async (key: string) => {
        const body = objects.get(key);
        return body && { body };
      },
    };
    const stores = { of: () => store } as never;
    await writeHistory(stores, run);
    const read = await readHistory(stores, "n", run.metadata);
    if (!read) throw new Error("it is not in history");
    const [live, then] = [run, read].map((one) => JSON.stringify(runObject(one, currentApiVersion)));
    expect(then).toBe(live);
  });

  it.each([
    ["status", "EXPIRED"],
    ["taskIdentifier", "t"],
    ["version", "v1"],
    ["tag", "a"],
    ["queue", "emails"],
    ["machine", "micro"],
    ["schedule", "sched_nightly"],
    ["schedule", "nightly"],
    ["batch", "batch_b"],
    ["isTest", "true"],
    ["createdAt][from", "2026-01-01T00:00:00Z"],
    ["createdAt][to", "1767225600000"],
  ])("is found by %s=%s, as a live one is", (field, value) => {
    const fits = filterOf({ [`filter[${field}]`]: value });
    expect([fits(fromLive(run)), fits(retired)]).toEqual([true, true]);
  });
});

it("lists leave out metadata of more than 8 KiB, of live and of retired runs", () => {
  const big = { ...run, spec: { ...run.spec, metadata: { text: "x".repeat(9000) } } };
  for (const one of [fromLive(big), fromSummary("n", summaryOf(big))])
    expect(json(listItem(one, currentApiVersion))).not.toHaveProperty("metadata");
});

const letters = (length: number): string => "x".repeat(length);

it("a list keeps little of a run, however much it has", () => {
  const error = { name: "Error", message: letters(200), stack: letters(8192) };
  const attempt = { number: 1, job: "r-1", slot: 1, admittedAt: "2026-01-01T00:00:00Z", error };
  const spec = {
    container: { image: "i", args: [letters(4096)] },
    payloadData: letters(65_536),
    metadata: { text: letters(65_536) },
  };
  const big = {
    ...run,
    metadata: {
      ...run.metadata,
      labels: { ...run.metadata.labels, mine: letters(63) },
      annotations: { ...run.metadata.annotations, "mine.dev/note": letters(200_000) },
      finalizers: [letters(1000)],
    },
    spec,
    status: { phase: "Failed" as const, output: letters(8192), error, attempts: [attempt] },
  };
  const kept = fromLive(big);
  expect(JSON.stringify(kept).length).toBeLessThan(1024);
  expect(kept.status).toEqual({ phase: "Failed", error: { name: "Error", message: letters(200) } });
  expect(fromLive(kept)).toEqual(kept);
});

it("a live run of a batch keeps the batch's uid, which its batch is read by", () => {
  const reference = { apiVersion, name: "b", uid: "ub" };
  const batch = { metadata: { namespace: "n", name: "b", uid: "ub" } } as TaskBatch;
  const owned = (kind: string): TaskRun => ({
    ...run,
    metadata: { ...run.metadata, ownerReferences: [{ ...reference, kind }] },
  });
  expect(isRunOf(batch, fromLive(owned("TaskBatch")))).toBe(true);
  expect(fromLive(owned("TaskSchedule")).metadata).not.toHaveProperty("ownerReferences");
});
