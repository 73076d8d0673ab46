import { describe, expect, it } from "vitest";
import { apiVersion, type Phase, type TaskRun } from "../../model/resources.ts";
import type { Admission, Grant, PendingRun } from "../../queue/admission.ts";
import { Slots } from "./slots.ts";

/** Records its calls; grants in `onEnqueue`. */
class FakeAdmission implements Admission {
  readonly calls: string[] = [];
  onEnqueue: (run: PendingRun) => void = () => undefined;
  async start(): Promise<void> {}
  async enqueue(run: PendingRun): Promise<void> {
    this.calls.push(`enqueue ${run.uid}`);
    this.onEnqueue(run);
  }
  async confirm({ uid, slot }: Grant): Promise<boolean> {
    this.calls.push(`confirm ${uid}/${slot}`);
    return true;
  }
  async whileHeld<T>({ uid, slot }: Grant, act: () => Promise<T>): Promise<T | undefined> {
    this.calls.push(`act as ${uid}/${slot}`);
    return act();
  }
  async release({ uid, slot }: Grant): Promise<void> {
    this.calls.push(`release ${uid}/${slot}`);
  }
  async remove(_namespace: string, uid: string): Promise<void> {
    this.calls.push(`remove ${uid}`);
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

function setUp(): { admission: FakeAdmission; slots: Slots } {
  const admission = new FakeAdmission();
  return { admission, slots: new Slots(admission) };
}

describe("a run's slot", () => {
  it("a run's slot is granted at once when there is room, held until the run leaves it, and released once", async () => {
    const { admission, slots } = setUp();
    admission.onEnqueue = ({ uid }) => slots.onGrant(grant(uid, 1));
    expect(await slots.request(pending("a"))).toEqual(grant("a", 1));
    slots.hold(grant("a", 1));
    await slots.releaseUnneeded(run("a", "Executing", 1));
    expect(admission.calls).toEqual(["enqueue a"]);
    await slots.releaseUnneeded(run("a", "Completed", 1));
    await slots.releaseUnneeded(run("a", "Completed", 1));
    expect(admission.calls.filter((call) => call.startsWith("release"))).toEqual(["release a/1"]);
  });

  it("a run's slot is given back when the grant could not be written", async () => {
    const { admission, slots } = setUp();
    slots.onGrant(grant("a", 1));
    await slots.giveBack(grant("a", 1));
    expect(admission.calls).toEqual(["release a/1"]);
    expect(slots.granted(run("a", "Queued"))).toBeUndefined();
  });

  it("a run's slot is released while the run is in backoff, which still waits for another", async () => {
    const { admission, slots } = setUp();
    slots.onGrant(grant("a", 1));
    slots.hold(grant("a", 1));
    await slots.releaseUnneeded(run("a", "Queued", 1));
    expect(admission.calls).toEqual(["release a/1"]);
  });

  it("a run's slot is no longer waited for when the run ends while it waits, or is deleted", async () => {
    const { admission, slots } = setUp();
    await slots.request(pending("a"));
    await slots.releaseUnneeded(run("a", "Canceled"));
    await slots.request(pending("b"));
    slots.onGrant(grant("b", 1));
    expect(slots.deleted("n", "r").map(({ uid }) => uid)).toEqual(["a", "b"]);
    expect(await slots.keepOnlySlot(grant("b", 1))).toEqual({ isHeld: false });
    expect(admission.calls).toEqual(["enqueue a", "remove a", "enqueue b", "release b/1", "remove b"]);
  });

  it("of a deleted run is kept until it is forgotten, also when another run has the name", async () => {
    const { admission, slots } = setUp();
    slots.onGrant(grant("a", 1));
    slots.hold(grant("a", 1));
    await slots.request(pending("b"));
    expect(slots.deleted("n", "r", run("b", "Queued"))).toEqual([{ namespace: "n", name: "r", uid: "a" }]);
    expect(await slots.keepOnlySlot(grant("a", 1))).toEqual({ isHeld: true });
    expect(admission.calls).not.toContain("release a/1");
    await slots.forget(grant("a", 1));
    expect(admission.calls).toContain("release a/1");
    expect(slots.deleted("n", "r", run("b", "Queued"))).toEqual([]);
    expect(slots.granted(run("b", "Queued"))).toBeUndefined();
  });

  it.each<Phase>(["Completed", "Canceled", "Failed"])(
    "is released once when a run that a former leader started is %s",
    async (phase) => {
      const { admission, slots } = setUp();
      await slots.releaseUnneeded(run("a", phase, 3));
      await slots.releaseUnneeded(run("a", phase, 3));
      expect(admission.calls).toEqual(["release a/3", "remove a"]);
    },
  );

  it("of a deleted run that a rebuild found is held", async () => {
    const { slots } = setUp();
    slots.adopt([grant("a", 2)]);
    expect(await slots.keepOnlySlot(grant("a", 2))).toEqual({ isHeld: true });
  });

  it("that the status had already is void as a grant: the run asks for the next one", async () => {
    const { admission, slots } = setUp();
    // The answer to the write of Starting was lost, so that nothing was held; the attempt then failed.
    slots.onGrant(grant("a", 1));
    await slots.releaseUnneeded(run("a", "Queued", 1));
    expect(slots.granted(run("a", "Queued", 1))).toBeUndefined();
    admission.onEnqueue = () => slots.onGrant(grant("a", 2));
    expect(await slots.request({ ...pending("a"), slot: 1 })).toEqual(grant("a", 2));
  });

  it("that was released is released again when a rebuild grants it once more", async () => {
    const { admission, slots } = setUp();
    await slots.releaseUnneeded(run("a", "Queued", 1));
    slots.onGrant(grant("a", 1));
    expect(admission.calls).toEqual(["release a/1", "release a/1"]);
  });

  it("a run's slot is what the status says after a restart", async () => {
    const { admission, slots } = setUp();
    expect(await slots.confirm(run("a", "Starting", 4))).toBe(true);
    await slots.releaseUnneeded(run("a", "Failed", 4));
    expect(admission.calls).toEqual(["confirm a/4", "release a/4", "remove a"]);
  });
});
