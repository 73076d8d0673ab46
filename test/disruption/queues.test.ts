/**
 * Concurrency limits hold during faults. They are checked by the start and end marks in the runs' own logs.
 */
import { concurrencyLimitAnnotation } from "@fairlead/protocol/labels";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../hack/lib/exec.ts";
import { waitFor } from "../../hack/lib/wait.ts";
import { TaskQueues, TaskRuns } from "../../operator/src/model/kinds.ts";
import type { TaskRun } from "../../operator/src/model/resources.ts";
import { isTerminal } from "../../operator/src/model/run/phase.ts";
import { signalLeader, untilOtherLeads } from "../support/release/leader.ts";
import { taskQueue, taskRun, testTask } from "../support/release/manifests.ts";
import { flushRedis, killRedis } from "../support/release/redis.ts";
import { groupByKey, loadSpans, maxOverlap } from "../support/release/spans.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("queues");
  await ns.apply(testTask("marks", { allowOverrides: ["labels"] }), testTask("echo"));
});
afterAll(() => ns?.remove());

/** `count` runs with `keys` different concurrency keys; each executes for `ms`. */
function round(name: string, count: number, keys: number, ms: number, spec: object): object[] {
  return Array.from({ length: count }, (_, i) => {
    const key = `key-${i % keys}`;
    return taskRun(`${name}-${i}`, {
      task: "marks",
      payload: { ms, key },
      podTemplate: { labels: { round: name }, terminationGracePeriodSeconds: 1 },
      ...(keys > 1 ? { concurrencyKey: key } : {}),
      ...spec,
    });
  });
}

async function runsOf(name: string): Promise<TaskRun[]> {
  return (await ns.list(TaskRuns)).filter((one) => one.metadata.name.startsWith(`${name}-`));
}

async function allCompleted(name: string, count: number, timeoutMs = 240_000): Promise<void> {
  let open: string[] = [];
  await waitFor(
    `${count} runs of round ${name} complete`,
    async () => {
      const runs = await runsOf(name);
      open = runs
        .filter(({ status }) => !isTerminal(status?.phase))
        .map(({ metadata, status }) => `${metadata.name}: ${status?.phase} ${status?.reason}`);
      return runs.length === count && open.length === 0;
    },
    { timeoutMs, intervalMs: 1_000, describe: () => open.join("\n") },
  );
  const ended = (await runsOf(name)).map(({ status }) => status?.phase);
  expect(ended.filter((phase) => phase !== "Completed")).toEqual([]);
}

async function expectLimit(name: string, perKey: number, least: number): Promise<void> {
  const spans = await loadSpans(ns, `round=${name}`);
  for (const [key, ofKey] of groupByKey(spans)) {
    expect(maxOverlap(ofKey), `${key} at once`).toBeLessThanOrEqual(perKey);
  }
  expect(maxOverlap(spans), "all keys at once").toBeGreaterThan(least);
}

/** Continues paused processes; the kubelet may have killed some because they did not answer. */
function resumeProcesses(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGCONT");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

test("60 runs with 4 keys and a limit of 3 never exceed 3 of a key, and exceed 3 together", async () => {
  await ns.apply(
    taskQueue("three", { concurrencyLimit: 3 }),
    ...round("plain", 60, 4, 2_000, { queue: { name: "three" } }),
  );
  await allCompleted("plain", 60);
  await expectLimit("plain", 3, 3);
  const kept = await ns.get(TaskQueues, "three");
  expect(kept?.status).toMatchObject({ concurrencyLimit: 3, paused: false });
});

test("the limit holds while Redis is flushed and killed and the leader is killed and paused", async () => {
  await ns.apply(...round("stormy", 60, 4, 2_000, { queue: { name: "three" } }));
  const executing = (count: number) =>
    waitFor(
      `${count} runs have ended`,
      async () => (await runsOf("stormy")).filter(({ status }) => isTerminal(status?.phase)).length >= count,
      { timeoutMs: 120_000, intervalMs: 200 },
    );
  await executing(6);
  await flushRedis();
  await executing(14);
  await killRedis();
  await executing(22);
  const killed = await signalLeader("SIGKILL");
  const took = await untilOtherLeads(killed.pod);
  expect(took, "milliseconds until the next one led").toBeLessThan(20_000);
  await executing(34);
  const paused = await signalLeader("SIGSTOP");
  await untilOtherLeads(paused.pod);
  await executing(40);
  resumeProcesses(paused.pids);
  await allCompleted("stormy", 60);
  await expectLimit("stormy", 3, 3);
  const runs = await runsOf("stormy");
  expect(runs.filter(({ status }) => status?.attempts?.length !== 1).map((r) => r.metadata.name)).toEqual([]);
});

test("a namespace's limit holds across its queues", async () => {
  await run("kubectl", ["annotate", "namespace", ns.name, `${concurrencyLimitAnnotation}=5`]);
  await ns.apply(...round("bounded", 60, 4, 1_500, { queue: { name: "three" } }));
  await allCompleted("bounded", 60);
  const spans = await loadSpans(ns, "round=bounded");
  expect(maxOverlap(spans)).toBeLessThanOrEqual(5);
  expect(maxOverlap(spans)).toBeGreaterThan(3);
  await run("kubectl", ["annotate", "namespace", ns.name, `${concurrencyLimitAnnotation}-`]);
});

describe("a queue's own resource", () => {
  test("a TaskQueue is created for a limit given at trigger time, and kubectl get shows it", async () => {
    await ns.apply(...round("made", 3, 1, 1_500, { queue: { name: "on/demand", concurrencyLimit: 1 } }));
    await allCompleted("made", 3);
    expect(maxOverlap(await loadSpans(ns, "round=made"))).toBe(1);
    const table = await ns.kubectl("get", "taskqueues");
    expect(table).toMatch(/NAME\s+QUEUE\s+LIMIT\s+PAUSED\s+RUNNING\s+QUEUED\s+OLDEST\s+AGE/);
    expect(table).toMatch(/on\/demand\s+1\s+false/);
    expect(table).toMatch(/task\/marks/);
  });

  test("a paused queue admits nothing until it is resumed, and then the higher priority first", async () => {
    await ns.apply(taskQueue("gate", { concurrencyLimit: 1, paused: true }));
    await ns.apply(
      taskRun("late", { task: "echo", queue: { name: "gate" } }),
      taskRun("early", { task: "echo", queue: { name: "gate" }, priority: 3600 }),
    );
    await waitFor(
      "the queue counts both",
      async () => (await ns.get(TaskQueues, "gate"))?.status?.queued === 2,
      { timeoutMs: 30_000 },
    );
    expect((await ns.loadRun("early")).status?.phase).toBe("Queued");
    await ns.apply(taskQueue("gate", { concurrencyLimit: 1, paused: false }));
    const [early, late] = await Promise.all([ns.untilFinished("early"), ns.untilFinished("late")]);
    const admitted = (status: typeof early): number => Date.parse(status.attempts?.[0]?.admittedAt ?? "");
    expect(admitted(early)).toBeLessThan(admitted(late));
  });
});

describe("waiting", () => {
  test("delayUntil can be changed while the run is Delayed, and not afterwards", async () => {
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const now = new Date(Date.now() + 500).toISOString();
    const delayUntil = (time: string): string => JSON.stringify({ spec: { delayUntil: time } });
    const patch = ["patch", "taskrun", "delayed", "--type=merge", "-p"];
    await ns.startRun("delayed", { task: "echo", payload: {}, delayUntil: later });
    await ns.untilPhase("delayed", "Delayed");
    await ns.kubectl(...patch, delayUntil(now));
    expect((await ns.untilFinished("delayed")).phase).toBe("Completed");
    const again = await ns.tryKubectl(...patch, delayUntil(later));
    expect(again.stderr).toMatch(/delayUntil can change only while the run is Delayed/);
  });

  test("a run that waits for longer than its ttl expires, and ttl counts from when it is queued", async () => {
    await ns.apply(taskQueue("closed", { concurrencyLimit: 1, paused: true }));
    await ns.startRun("stale", { task: "echo", queue: { name: "closed" }, ttlSeconds: 1 });
    await ns.startRun("patient", { task: "echo", queue: { name: "closed" }, ttlSeconds: 0 });
    expect(await ns.untilFinished("stale")).toMatchObject({ phase: "Expired", reason: "TtlElapsed" });
    expect((await ns.loadRun("patient")).status?.phase).toBe("Queued");
    const soon = new Date(Date.now() + 1_500).toISOString();
    await ns.startRun("delayed-stale", {
      task: "echo",
      queue: { name: "closed" },
      ttlSeconds: 1,
      delayUntil: soon,
    });
    const expired = await ns.untilFinished("delayed-stale");
    expect(Date.parse(expired.finishedAt ?? "")).toBeGreaterThanOrEqual(Date.parse(soon) + 1_000);
    await ns.kubectl("delete", "taskrun", "patient");
  });

  test("an attempt that was killed for its memory is retried once on the larger machine", async () => {
    const retry = { maxAttempts: 1, outOfMemory: { machine: "small-1x" } };
    await ns.apply(testTask("oom", { machine: "micro", retry }));
    await ns.startRun("hungry", { task: "oom" });
    const status = await ns.untilFinished("hungry", 120_000);
    expect(status).toMatchObject({ phase: "Crashed", reason: "OOMKilled", machine: "small-1x" });
    expect(status.attempts?.map((attempt) => attempt.machine)).toEqual([undefined, "small-1x"]);
  });
});

describe("invalid queue settings", () => {
  const limit = (concurrencyLimit: unknown) => taskQueue("nonsense", { concurrencyLimit });
  const refused: [string, object, RegExp][] = [
    ["a limit of zero", limit(0), /spec\.concurrencyLimit.*greater than or equal to 1/s],
    ["a negative limit", limit(-1), /spec\.concurrencyLimit.*greater than or equal to 1/s],
    [
      "a limit at trigger time of zero",
      taskRun("x", { task: "echo", queue: { name: "q", concurrencyLimit: 0 } }),
      /spec\.queue\.concurrencyLimit/,
    ],
    [
      "a date as ttl",
      taskRun("x", { task: "echo", ttlSeconds: "2030-01-01T00:00:00Z" }),
      /spec\.ttlSeconds.*integer/s,
    ],
    [
      "11 tags",
      taskRun("x", { task: "echo", tags: Array.from({ length: 11 }, (_, i) => `t${i}`) }),
      /spec\.tags.*at most 10/s,
    ],
  ];
  test.each(refused)("%s is refused, and the field is named", async (_what, manifest, message) => {
    expect(await ns.applyRefused(manifest)).toMatch(message);
  });
});
