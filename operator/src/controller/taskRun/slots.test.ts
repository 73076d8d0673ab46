import { describe, expect, it } from "vitest";
import { apiVersion, type Phase, type TaskRun } from "../../model/resources.ts";
import type { Admission, Grant, PendingRun } from "../../queue/admission.ts";
import { Slots } from "./slots.ts";

/** Grants what it is told to, and writes down what it is asked. */
class ToldAdmission implements Admission {
  readonly asked: string[] = [];
  onEnqueue: (run: PendingRun) => void = () => undefined;
  async start(): Promise<void> {}
  async enqueue(run: PendingRun): Promise<void> {
    this.asked.push(`enqueue ${run.uid}`);
    this.onEnqueue(run);
  }
  async confirm({ uid, slot }: Grant): Promise<boolean> {
    this.asked.push(`confirm ${uid}/${slot}`);
    return true;
  }
  async release({ uid, slot }: Grant): Promise<void> {
    this.asked.push(`release ${uid}/${slot}`);
  }
  async remove(_namespace: string, uid: string): Promise<void> {
    this.asked.push(`remove ${uid}`);
  }
}

const run = (uid: string, phase: Phase, slot = 0): TaskRun => ({
  apiVersion,
  kind: "TaskRun",
  metadata: { namespace: "n", name: "r", uid },
  spec: { task: "t" },
  status: { phase, slot },
});

const pending = (uid: string): PendingRun => ({
  namespace: "n",
  name: "r",
  uid,
  queue: "q",
  enqueuedAtMs: 0,
  prioritySeconds: 0,
  slot: 0,
});

const grant = (uid: string, slot: number): Grant => ({ namespace: "n", name: "r", uid, slot });

function setUp(): { admission: ToldAdmission; slots: Slots } {
  const admission = new ToldAdmission();
  return { admission, slots: new Slots(admission) };
}

describe("a run's place", () => {
  it("is granted at once when there is room, held until the run leaves it, and released once", async () => {
    const { admission, slots } = setUp();
    admission.onEnqueue = ({ uid }) => slots.onGrant(grant(uid, 1));
    expect(await slots.ask(pending("a"))).toEqual(grant("a", 1));
    await slots.settle(grant("a", 1), true);
    await slots.leave(run("a", "Executing", 1));
    expect(admission.asked).toEqual(["enqueue a"]);
    await slots.leave(run("a", "Completed", 1));
    await slots.leave(run("a", "Completed", 1));
    expect(admission.asked.filter((call) => call.startsWith("release"))).toEqual(["release a/1"]);
  });

  it("is given back when the grant could not be written", async () => {
    const { admission, slots } = setUp();
    slots.onGrant(grant("a", 1));
    await slots.settle(grant("a", 1), false);
    expect(admission.asked).toEqual(["release a/1"]);
    expect(slots.granted(run("a", "Queued"))).toBeUndefined();
  });

  it("is free while the run is in backoff, and the run still waits", async () => {
    const { admission, slots } = setUp();
    slots.onGrant(grant("a", 1));
    await slots.settle(grant("a", 1), true);
    await slots.leave(run("a", "Queued", 1));
    expect(admission.asked).toEqual(["release a/1"]);
  });

  it("in the line goes when the run ends while it waits, and when it is deleted", async () => {
    const { admission, slots } = setUp();
    await slots.ask(pending("a"));
    await slots.leave(run("a", "Canceled"));
    await slots.ask(pending("b"));
    slots.onGrant(grant("b", 1));
    await slots.forget("n", "r");
    expect(admission.asked).toEqual(["enqueue a", "remove a", "enqueue b", "release b/1", "remove b"]);
  });

  it("of another run with the same name is another one", async () => {
    const { admission, slots } = setUp();
    slots.onGrant(grant("a", 1));
    await slots.settle(grant("a", 1), true);
    await slots.ask(pending("b"));
    expect(admission.asked).toContain("release a/1");
    expect(slots.granted(run("a", "Queued"))).toBeUndefined();
  });

  it("after a restart is what the status says", async () => {
    const { admission, slots } = setUp();
    expect(await slots.confirm(run("a", "Starting", 4))).toBe(true);
    await slots.leave(run("a", "Failed", 4));
    expect(admission.asked).toEqual(["confirm a/4", "release a/4", "remove a"]);
  });
});
