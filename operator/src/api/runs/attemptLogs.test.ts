import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { KubeError } from "../../kube/client/client.ts";
import type { Attempt, TaskRun } from "../../model/resources.ts";
import { type AttemptLogDeps, type LogSink, tellAttempts } from "./attemptLogs.ts";

const attempt = (more: Partial<Attempt> = {}): Attempt => ({
  number: 1,
  job: "r-1",
  slot: 1,
  admittedAt: "2026-01-01T00:00:00Z",
  ...more,
});
const runWith = (phase: "Executing" | "Completed", ...attempts: Attempt[]): TaskRun =>
  ({
    metadata: { name: "r", namespace: "n", uid: "u" },
    spec: {},
    status: { phase, attempts },
  }) as unknown as TaskRun;
const failed = (status: number) =>
  new KubeError({ method: "GET", path: "/log", status, reason: "BadRequest", message: "" });

type PodLog = string | KubeError;

/** `looks`: the run as it is seen later; `logs`: what each question for a pod's log is answered. */
function world(looks: TaskRun[], logs: PodLog[], stored?: string) {
  const asked: { pod: string; follow?: boolean }[] = [];
  let now = 0;
  const deps = {
    client: {
      list: async () => ({ items: [{ metadata: { name: "found" } }] }),
      podLog: async (_namespace: string, pod: string, { follow }: { follow?: boolean }) => {
        asked.push({ pod, follow });
        const next = logs.length > 1 ? logs.shift() : logs[0];
        if (next instanceof KubeError) throw next;
        return Readable.from([Buffer.from(next ?? "")]);
      },
    },
    store: { of: () => ({ read: async () => stored && { body: Readable.from([Buffer.from(stored)]) } }) },
    reader: { get: async () => (looks.length > 1 ? looks.shift() : looks[0]) },
    // Each look costs three seconds.
    clock: () => (now += 3_000),
  } as unknown as AttemptLogDeps;
  const told: string[] = [];
  const sink: LogSink = {
    lines: async (number, lines, head) => {
      if (head) told.push(head);
      for await (const line of lines) told.push(`${number}: ${line}`);
    },
    note: async (number, note) => void told.push(`${number}: (${note})`),
  };
  return { deps, asked, told, sink };
}

const signal = new AbortController().signal;
const ended = attempt({ outcome: "Completed" });

describe("the log of a run that has just ended", () => {
  const run = runWith("Completed", ended);

  test("is asked for again while the API server does not know that the container ran", async () => {
    const { deps, asked, told, sink } = world([run], [failed(400), "line"]);
    await tellAttempts(deps, run, { follow: false }, sink, signal);
    expect(told).toEqual(["1: line"]);
    // Its last lines are waited for, and its pod is found by labels.
    expect(asked).toEqual([
      { pod: "found", follow: true },
      { pod: "found", follow: true },
    ]);
  });

  test("comes from the bucket once it was captured meanwhile", async () => {
    const captured = runWith("Completed", attempt({ outcome: "Completed", captured: true, podUid: "p" }));
    const { deps, told, sink } = world([captured], [failed(404)], "kept\n");
    await tellAttempts(deps, run, { follow: false }, sink, signal);
    expect(told).toEqual(["1: kept"]);
  });

  test("is given up after ten seconds", async () => {
    const { deps, asked, told, sink } = world([run], [failed(404)]);
    await tellAttempts(deps, run, { follow: true }, sink, signal);
    expect(told).toEqual([]);
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.length).toBeLessThan(10);
  });
});

test("a container that has not begun has no log: without follow that is all, with it the log is waited for", async () => {
  const waiting = runWith("Executing", attempt());
  const now = world([waiting], [failed(400)]);
  await tellAttempts(now.deps, waiting, { follow: false }, now.sink, signal);
  expect(now.told).toEqual([]);
  const later = world([waiting, runWith("Completed", ended)], [failed(400), "line"]);
  await tellAttempts(later.deps, waiting, { follow: true }, later.sink, signal);
  expect(later.told).toEqual(["1: line"]);
});

test("attempts are told in order, each once", async () => {
  const first = attempt({ outcome: "Failed", captured: true, logNote: "gone" });
  const second = attempt({ number: 2, outcome: "Completed" });
  const done = runWith("Completed", first, second);
  const { deps, told, sink } = world([done], [failed(400), "line"]);
  await tellAttempts(deps, done, { follow: true }, sink, signal);
  expect(told).toEqual(["1: (gone)", "== attempt 2 ==", "2: line"]);
});

test("another failure of the API server is told", async () => {
  const run = runWith("Completed", ended);
  const { deps, sink } = world([run], [failed(500)]);
  await expect(tellAttempts(deps, run, { follow: false }, sink, signal)).rejects.toThrow("500");
});
