import { describe, expect, test } from "vitest";
import { KubeError } from "../client/client.ts";
import { EventRecorder } from "./eventRecorder.ts";

const run = {
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "TaskRun",
  metadata: { name: "r", namespace: "ns", uid: "u" },
};

function setup() {
  const calls: { verb: string; body: Record<string, unknown> }[] = [];
  const fail: { with?: unknown } = {};
  const gate = { wait: Promise.resolve() };
  const time = { now: 1_800_000_000_000 };
  const request = async (verb: string, body: unknown): Promise<never> => {
    calls.push({ verb, body: body as Record<string, unknown> });
    await gate.wait;
    if (fail.with) throw fail.with;
    return {} as never;
  };
  const recorder = new EventRecorder({
    client: {
      create: (_r: unknown, ns: unknown, body: unknown) => request(`create ${ns}`, body),
      patch: (_r: unknown, ns: unknown, name: string, body: unknown) => request(`patch ${ns}/${name}`, body),
    } as never,
    component: "fairlead-controller",
    log: { debug() {} } as never,
    now: () => time.now,
  });
  return { calls, fail, gate, time, recorder };
}

describe("Events", () => {
  test("an Event carries what kubectl describe looks for", async () => {
    const { calls, recorder } = setup();
    recorder.record(run, "Normal", "Started", "Attempt 1 started.");
    await recorder.flush();
    expect(calls).toHaveLength(1);
    expect(calls[0]?.verb).toBe("create ns");
    expect(calls[0]?.body).toMatchObject({
      involvedObject: { apiVersion: run.apiVersion, kind: "TaskRun", namespace: "ns", name: "r", uid: "u" },
      type: "Normal",
      reason: "Started",
      message: "Attempt 1 started.",
      count: 1,
      firstTimestamp: "2027-01-15T08:00:00Z",
      source: { component: "fairlead-controller" },
    });
  });

  test("a repetition raises the count before the Event is sent, while it is sent, and afterwards", async () => {
    const { calls, gate, time, recorder } = setup();
    let open = (): void => {};
    gate.wait = new Promise((resolve) => {
      open = resolve;
    });
    recorder.record(run, "Warning", "StartBlocked", "no room");
    recorder.record(run, "Warning", "StartBlocked", "no room");
    await Promise.resolve();
    recorder.record(run, "Warning", "StartBlocked", "no room");
    open();
    await recorder.flush();
    time.now += 60_000;
    recorder.record(run, "Warning", "StartBlocked", "no room");
    await recorder.flush();
    const created = calls.map((c) => c.body.metadata as { name: string })[0];
    expect(calls.map((c) => [c.verb, c.body.count])).toEqual([
      ["create ns", 2],
      [`patch ns/${created?.name}`, 3],
      [`patch ns/${created?.name}`, 4],
    ]);
    expect(calls[2]?.body.lastTimestamp).toBe("2027-01-15T08:01:00Z");
    time.now += 11 * 60_000;
    recorder.record(run, "Warning", "StartBlocked", "no room");
    await recorder.flush();
    expect(calls[3]).toMatchObject({ verb: "create ns", body: { count: 1 } });
  });

  test("an Event that has expired on the API server is created again", async () => {
    const { calls, fail, recorder } = setup();
    recorder.record(run, "Normal", "Started", "x");
    await recorder.flush();
    fail.with = new KubeError({ method: "PATCH", path: "/x", status: 404, reason: "NotFound", message: "" });
    recorder.record(run, "Normal", "Started", "x");
    await recorder.flush();
    expect(calls.map((c) => c.verb.split(" ")[0])).toEqual(["create", "patch", "create"]);
    expect(recorder.dropped).toBe(1);
  });

  test("a burst of Events of one object is cut off, those of others are not, until time has passed", async () => {
    const { calls, time, recorder } = setup();
    for (let i = 0; i < 100; i++) recorder.record(run, "Normal", "Loop", `round ${i}`);
    recorder.record({ ...run, metadata: { ...run.metadata, uid: "other" } }, "Normal", "Started", "x");
    await recorder.flush();
    expect(calls).toHaveLength(26);
    expect(recorder.dropped).toBe(75);
    time.now += 120_000;
    for (let i = 0; i < 5; i++) recorder.record(run, "Normal", "Loop", `later ${i}`);
    await recorder.flush();
    expect(calls).toHaveLength(28);
  });

  test("an unreachable API server bounds the Events that wait, and later ones are sent", async () => {
    const { calls, fail, gate, recorder } = setup();
    let open = (): void => {};
    gate.wait = new Promise((resolve) => {
      open = resolve;
    });
    for (let i = 0; i < 2_000; i++) {
      recorder.record({ ...run, metadata: { ...run.metadata, uid: `u${i}` } }, "Normal", "Started", "x");
    }
    expect(recorder.dropped).toBe(1_000);
    fail.with = new Error("refused");
    open();
    await recorder.flush();
    expect(recorder.dropped).toBe(2_000);
    fail.with = undefined;
    recorder.record(run, "Normal", "Started", "x");
    await recorder.flush();
    expect(calls).toHaveLength(1_001);
  });

  test("a long message is cut between characters; Events of a cluster-scoped object are in default", async () => {
    const { calls, recorder } = setup();
    recorder.record({ kind: "Node", metadata: { name: "n", uid: "n" } }, "Normal", "Long", "ä".repeat(2_000));
    await recorder.flush();
    const message = calls[0]?.body.message as string;
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1_024);
    expect(message).toMatch(/^ä+…$/);
    expect(calls[0]?.verb).toBe("create default");
  });
});
