/** What runs wait for, end to end: API, controller and Redis are real, and killed in the middle. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { type Attempt, WaitWorld } from "./waitWorld.ts";

let world: WaitWorld;
let count = 0;
/** A task of its own queue, with a limit of one, for each test. */
let task: string;

beforeAll(async () => {
  world = await WaitWorld.start();
}, 60_000);
afterAll(() => world?.stop(), 60_000);
beforeEach(async () => {
  task = `task-${++count}`;
  await world.createTask(task, { name: `queue-${count}`, concurrencyLimit: 1 });
});

const parentAndChild = async (): Promise<{ parent: Attempt; child: string }> => {
  const parent = await world.begin(await world.trigger(task));
  return { parent, child: await world.child(parent, task) };
};

test("parent and child in a queue with a limit of one both complete, and the parent goes on before a run that was queued after it", async () => {
  const { parent, child } = await parentAndChild();
  const other = await world.trigger(task);
  const answer = world.wait(parent, [child]);
  await world.complete(await world.begin(child), { n: 7 });
  expect(await answer).toMatchObject({
    slot: 2,
    results: { [child]: { ok: true, id: child, output: '{"n":7}', taskIdentifier: task } },
  });
  expect((await world.run(other)).status?.phase).toBe("Queued");
  expect((await world.run(parent.id)).status).toMatchObject({ phase: "Executing", slot: 2 });
  await world.complete(parent);
  await world.complete(await world.begin(other));
  await world.untilPhase(other, "Completed");
  expect((await world.run(child)).spec.parent).toMatchObject({ name: parent.name, waits: true });
});

test("what is settled already is answered at once, and the slot is kept", async () => {
  const parent = await world.begin(await world.trigger(task));
  const free = `${task}-free`;
  await world.createTask(free);
  const child = await world.child(parent, free);
  await world.complete(await world.begin(child));
  const answer = await world.wait(parent, [child, "waitpoint_T1"]);
  expect(Object.keys(answer.results ?? {}).sort()).toEqual([child, "waitpoint_T1"]);
  expect(answer.slot).toBe(1);
  expect((await world.run(parent.id)).status).toMatchObject({ phase: "Executing", slot: 1 });
});

test("calls that are cut off, at any point, are asked again and go on where the run is", async () => {
  const { parent, child } = await parentAndChild();
  for (const cut of [0, 1]) {
    const ends = new AbortController();
    const lost = world.wait(parent, [child], undefined, ends.signal).catch(() => cut);
    await world.untilPhase(parent.id, "Waiting");
    ends.abort();
    await lost;
  }
  await world.api.kill();
  await world.api.listen();
  const attempt = await world.begin(child);
  await world.complete(attempt);
  // Nobody asks: the run waits on, and its slot is free.
  expect((await world.run(parent.id)).status).toMatchObject({ phase: "Waiting", slot: 1 });
  const first = await world.wait(parent, [child]);
  expect(first.slot).toBe(2);
  // The answer was lost: the code still knows its first slot only.
  expect(await world.wait(parent, [child])).toEqual(first);
});

test("a wait goes on after Redis has lost everything, and after another controller leads", async () => {
  const { parent, child } = await parentAndChild();
  const answer = world.wait(parent, [child]);
  await world.untilPhase(parent.id, "Waiting");
  const attempt = await world.begin(child);
  await world.lead();
  await world.redis.kill();
  await world.complete(attempt);
  await waitFor("the run asks for a slot", async () => {
    return (await world.run(parent.id)).status?.wait?.resumeAskedAt !== undefined;
  });
  await world.lead();
  await world.redis.run();
  expect((await answer).slot).toBe(2);
  expect((await world.run(parent.id)).status?.phase).toBe("Executing");
});

test("several waits at once: each result comes with a slot, and the run waits again for the rest", async () => {
  const parent = await world.begin(await world.trigger(task));
  const children = [await world.child(parent, task), await world.child(parent, task)];
  const results: string[] = [];
  let slot: number | undefined;
  let open = children;
  while (open.length > 0) {
    const answer = world.wait(parent, open, slot);
    const next = await waitFor("a child starts", async () => {
      for (const id of open) if ((await world.run(id)).status?.phase === "Starting") return id;
      return undefined;
    });
    await world.complete(await world.begin(next));
    const { slot: now, results: settled = {} } = await answer;
    slot = now;
    results.push(...Object.keys(settled));
    open = open.filter((id) => !results.includes(id));
  }
  expect(results.sort()).toEqual(children.sort());
  expect(slot).toBe(3);
});

test("a late call about an earlier wait changes nothing", async () => {
  const { parent, child } = await parentAndChild();
  const answer = world.wait(parent, [child]);
  await world.complete(await world.begin(child));
  expect((await answer).slot).toBe(2);
  const never = await world.child(parent, task);
  expect(await world.wait(parent, [never], 1)).toEqual({ slot: 2, results: {} });
  expect((await world.run(parent.id)).status?.phase).toBe("Executing");
});

test("what is deleted, or never was there, is no reason to wait for ever", async () => {
  const parent = await world.begin(await world.trigger(task));
  const { results = {} } = await world.wait(parent, ["run_nobody", "batch_nobody", "waitpoint_nobody"]);
  expect(results.run_nobody).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining("deleted") },
  });
  expect(results.batch_nobody).toEqual({ id: "batch_nobody", items: [] });
  expect(results.waitpoint_nobody).toMatchObject({ ok: false });
  const refused = await world.call(parent, "wait", { on: ["nothing"] });
  expect([refused.status, await refused.json()]).toEqual([
    400,
    { error: expect.stringContaining('on: "nothing"') },
  ]);
});

test("a run that is canceled cancels the runs that its code triggered, waited for or not, and theirs", async () => {
  const { parent, child } = await parentAndChild();
  const other = `${task}-free`;
  await world.createTask(other);
  const forgotten = await world.trigger(other, { parentRunId: parent.id });
  const grandchild = await world.trigger(other, { parentRunId: forgotten, delay: "1h" });
  const answer = world.wait(parent, [child]).catch((error: Error) => error.message);
  await world.untilPhase(parent.id, "Waiting");
  await world.api.fetch(`/api/v2/runs/${parent.id}/cancel`, { method: "POST" });
  expect(await answer).toMatch(/^409/);
  expect((await world.untilPhase(child, "Canceled", "Stopping")).status?.message).toContain(parent.id);
  await world.untilPhase(forgotten, "Canceled", "Stopping");
  await world.untilPhase(grandchild, "Canceled");
});

test("a run that waits for a time has its slot free until then", async () => {
  const parent = await world.begin(await world.trigger(task));
  const date = new Date(Date.now() + 1500).toISOString();
  const headers = { authorization: `Bearer ${parent.token}` };
  const asked = await world.api.fetch(`/engine/v1/runs/${parent.id}/wait/duration`, {
    ...{ method: "POST", headers, body: JSON.stringify({ date, idempotencyKey: `key-${task}` }) },
  });
  const { waitUntil, waitpoint } = (await asked.json()) as { waitUntil: string; waitpoint: { id: string } };
  expect(waitUntil).toBe(date);
  const answer = world.wait(parent, [waitpoint.id]);
  await world.complete(await world.begin(await world.trigger(task)));
  expect((await answer).results).toEqual({ [waitpoint.id]: { id: waitpoint.id, ok: true } });
  expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(date));
});
