import { expect, test } from "vitest";
import type { TaskRun } from "../../model/resources.ts";
import { accepted, admitted, newRun, play } from "../../model/run/testEvents.ts";
import { Room } from "./room.ts";

function scene() {
  const changes: string[] = [];
  const time = { now: 0 };
  const room = new Room({ clock: () => time.now, onChange: (namespace) => changes.push(namespace) });
  const run = (uid: string, queue = "q", namespace = "n"): TaskRun => {
    const made = play(newRun({ container: { image: "i" }, queue: { name: queue } }), accepted, admitted(1));
    return { ...made, metadata: { ...made.metadata, name: uid, uid, namespace } };
  };
  const grant = (uid: string, queue = "q", namespace = "n"): TaskRun => {
    room.granted({ namespace, name: uid, uid, slot: 1, queue });
    return run(uid, queue, namespace);
  };
  const grantAll = (count: number, queue = "q", from = 0): TaskRun[] =>
    Array.from({ length: count }, (_, n) => grant(`${queue}${from + n}`, queue));
  return { room, time, changes, run, grant, grantAll };
}

test("twenty runs of a namespace may be on the way to a node, and one more for each that found one, up to a hundred", () => {
  const { room, grantAll } = scene();
  expect(room.now("n")).toMatchObject({ most: 20 });
  for (const run of grantAll(20)) expect(room.seen(run, "expected")).toBeUndefined();
  expect(room.now("n")).toMatchObject({ most: 0 });
  expect(room.now("other")).toMatchObject({ most: 20 });
  for (const run of grantAll(20)) room.seen(run, "onNode");
  expect(room.now("n")).toEqual({ most: 40, queues: new Map() });
  for (const run of grantAll(200)) room.seen(run, "onNode");
  expect(room.now("n").most).toBe(100);
});

test("a run that finds no room halves the window once, and holds back its own queue alone", () => {
  const { room, grantAll, changes } = scene();
  const [first] = grantAll(1);
  grantAll(1, "other");
  room.seen(first as TaskRun, "noRoom", "0/1 nodes are available: 1 Insufficient cpu.");
  room.seen(first as TaskRun, "noRoom", "0/1 nodes are available: 1 Insufficient cpu.");
  expect(room.now("n")).toMatchObject({ most: 9, queues: new Map([["q", 0]]) });
  expect(room.tight("n", "q")).toEqual({ why: "0/1 nodes are available: 1 Insufficient cpu." });
  expect(room.tight("n", "other")).toBeUndefined();
  expect(changes).toEqual(["n"]);
});

test("the window never closes", () => {
  const { room, grantAll } = scene();
  for (const run of grantAll(20)) room.seen(run, "noRoom");
  expect(room.now("n").most).toBe(1);
});

test("a queue without room may try one more every ten seconds", () => {
  const { room, time, grant } = scene();
  room.seen(grant("a"), "noRoom");
  time.now = 9_999;
  expect(room.now("n")).toMatchObject({ queues: new Map([["q", 0]]), againAt: 10_000 });
  time.now = 10_000;
  expect(room.now("n").queues).toEqual(new Map([["q", 1]]));
  grant("b");
  expect(room.now("n").queues).toEqual(new Map([["q", 0]]));
});

test("a run that gives its slot back, or is gone, holds nothing", () => {
  const { room, grant, changes } = scene();
  const [one, two] = [grant("a"), grant("b")];
  room.seen(one, "noRoom");
  room.seen(two, "noRoom");
  room.released({ namespace: "n", name: "a", uid: "a", slot: 0 });
  expect(room.now("n").queues.size).toBe(1);
  room.released({ namespace: "n", name: "a", uid: "a", slot: 1 });
  room.left(two.metadata);
  expect(room.now("n").queues.size).toBe(0);
  expect(changes).toHaveLength(4);
});

test("runs for which an autoscaler makes nodes are outside of the window, twenty of a queue", () => {
  const { room, grantAll } = scene();
  for (const run of grantAll(15)) room.seen(run, "scaling");
  expect(room.now("n")).toMatchObject({ most: 20, queues: new Map([["q", 5]]) });
  for (const run of grantAll(5, "q", 15)) room.seen(run, "scaling");
  expect(room.now("n")).toMatchObject({ most: 20, queues: new Map([["q", 0]]) });
});

test("what waits for something else than a node holds nothing: a gate, an image, what can never be", () => {
  const { room, grantAll } = scene();
  for (const run of grantAll(20)) room.seen(run, "elsewhere");
  expect(room.now("n")).toEqual({ most: 20, queues: new Map() });
});

test("runs that nobody sees any more do not count for ever", () => {
  const { room, time, grantAll } = scene();
  for (const run of grantAll(20)) {
    time.now++;
    room.seen(run, "expected");
  }
  for (const run of grantAll(5, "blocked")) room.seen(run, "noRoom");
  expect(room.now("n").most).toBe(0);
  time.now = 30_020;
  expect(room.now("n").most).toBe(1);
  time.now = 100_000;
  expect(room.now("n")).toEqual({ most: 1, queues: new Map() });
});

test("however many queues find no room, a hundred of their runs at most ask at once, in their namespace", () => {
  const { room, time, run, grant } = scene();
  let count = 0;
  for (let round = 0; round < 500; round++) {
    time.now += 10;
    const { most } = room.now("n");
    if (most < 1) continue;
    count++;
    room.seen(grant(`r${round}`, `q${round}`), "noRoom");
  }
  expect(count).toBe(100);
  expect(room.now("elsewhere").most).toBe(20);
  room.seen(run("r0", "q0"), "onNode");
  expect(room.now("n").most).toBe(1);
});

/**
 * A cluster with room for so many pods, which runs occupy for some seconds, and a batch that is admitted by
 * room, second by second. A pod without a node gives its slot back after 30 s, as start.ts has it.
 */
function batchOn(capacity: number, count: number, runSeconds: number) {
  const { room, time, run } = scene();
  const runs = new Map(Array.from({ length: count }, (_, n) => [`u${n}`, run(`u${n}`)]));
  const waiting = [...runs.keys()].map((uid) => ({ uid, readyAt: 0, slot: 0 }));
  const pending = new Map<string, { slot: number; since: number }>();
  const ends: number[] = [];
  const result = { mostPending: 0, jobs: 0, seconds: 0 };
  for (; waiting.length + pending.size + ends.length > 0 && result.seconds < 100_000; result.seconds++) {
    time.now = result.seconds * 1000;
    while (ends[0] !== undefined && ends[0] <= time.now) ends.shift();
    for (;;) {
      const { most, queues } = room.now("n");
      const index = waiting.findIndex(({ readyAt }) => readyAt <= time.now);
      const [next] = most < 1 || queues.get("q") === 0 || index < 0 ? [] : waiting.splice(index, 1);
      if (!next) break;
      result.jobs++;
      const slot = next.slot + 1;
      room.granted({ namespace: "n", name: next.uid, uid: next.uid, slot, queue: "q" });
      pending.set(next.uid, { slot, since: time.now });
    }
    for (const [uid, { slot, since }] of pending) {
      const one = runs.get(uid) as TaskRun;
      if (ends.length < capacity) {
        ends.push(time.now + runSeconds * 1000);
        pending.delete(uid);
        room.seen(one, "onNode");
      } else if (time.now - since >= 30_000) {
        pending.delete(uid);
        waiting.unshift({ uid, slot, readyAt: time.now + 5_000 });
        room.released({ namespace: "n", name: uid, uid, slot });
      } else room.seen(one, "noRoom");
    }
    result.mostPending = Math.max(result.mostPending, pending.size);
  }
  return result;
}

test.each([
  [8, 1000, 10],
  [8, 1000, 1],
  [8, 200, 100],
  [300, 1000, 60],
])(
  "on a cluster with room for %i, a batch of %i runs of %i s has few Jobs that wait, and ends in time",
  (capacity, runs, runSeconds) => {
    const { mostPending, jobs, seconds } = batchOn(capacity, runs, runSeconds);
    expect(mostPending).toBeLessThanOrEqual(capacity < 20 ? 20 : 100);
    const best = Math.ceil(runs / capacity) * runSeconds;
    expect(seconds / best, `${seconds} s`).toBeLessThan(1.5);
    // A Job is made in vain every five seconds at most, beside the first window.
    expect(jobs - runs, `${jobs} Jobs`).toBeLessThan(100 + seconds / 5);
  },
);
