/** The reconciler against an API server in memory that dies on demand. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { KubeError } from "../../kube/client/client.ts";
import { at, type Requeue } from "../../kube/manager/requeue.ts";
import { apiVersion, type TaskRun, type TaskSchedule } from "../../model/resources.ts";
import { reconcileTaskSchedule } from "./reconciler.ts";

const minute = 60_000;
const start = Date.UTC(2026, 0, 1);

class ScheduleHarness {
  now = start;
  schedule: TaskSchedule;
  readonly runs = new Map<string, TaskRun>();
  hasTask = true;
  /** What the API server answers to the creation of a run. */
  refusal: KubeError | undefined;
  /** What the reconciler returned last. */
  next: Requeue | undefined;
  statusWrites = 0;
  /** Dies around the write with this number. */
  dieAt: { write: number; moment: "before" | "after" } | undefined;
  #writes = 0;

  constructor(spec: Partial<TaskSchedule["spec"]> = {}) {
    this.schedule = {
      apiVersion,
      kind: "TaskSchedule",
      metadata: {
        name: "s",
        namespace: "n",
        uid: "u",
        generation: 1,
        resourceVersion: "1",
        creationTimestamp: new Date(start).toISOString(),
      },
      spec: { task: "t", cron: "* * * * *", ...spec },
    };
  }

  async reconcile(): Promise<void> {
    const deps = {
      clock: () => this.now,
      schedules: { get: () => this.schedule, upsertFromWrite: () => undefined },
      tasks: {
        byIndex: (_index: string, key: string) =>
          this.hasTask && key === "n/t" ? [{ metadata: { name: "t" } }] : [],
      },
      client: {
        get: async (_resource: unknown, _namespace: string, name: string) => this.runs.get(name),
        create: async (_resource: unknown, _namespace: string, run: TaskRun) =>
          this.#write(() => {
            if (this.refusal) throw this.refusal;
            if (this.runs.has(run.metadata.name))
              throw new KubeError({
                method: "POST",
                path: "/",
                status: 409,
                reason: "AlreadyExists",
                message: "",
              });
            this.runs.set(run.metadata.name, run);
            return run;
          }),
        replace: async (_resource: unknown, _namespace: string, _name: string, body: TaskSchedule) =>
          this.#write(() => {
            this.statusWrites++;
            this.schedule = { ...this.schedule, status: body.status };
            return this.schedule;
          }),
      },
    };
    this.next = await reconcileTaskSchedule(
      deps as unknown as Parameters<typeof reconcileTaskSchedule>[0],
      "n/s",
    );
  }

  edit(spec: Partial<TaskSchedule["spec"]>): void {
    const generation = (this.schedule.metadata.generation ?? 0) + 1;
    const { metadata } = this.schedule;
    this.schedule = {
      ...this.schedule,
      metadata: { ...metadata, generation },
      spec: { ...this.schedule.spec, ...spec },
    };
  }

  get ticks(): number[] {
    return [...this.runs.values()].map(({ spec }) => (Date.parse(spec.schedule?.at ?? "") - start) / minute);
  }

  #write<T>(work: () => T): T {
    const number = ++this.#writes;
    const dies = (moment: string) => this.dieAt?.write === number && this.dieAt.moment === moment;
    if (dies("before")) throw new Error("died");
    const result = work();
    if (dies("after")) throw new Error("died");
    return result;
  }
}

let harness: ScheduleHarness;
beforeEach(() => {
  harness = new ScheduleHarness();
});

/** As the controller does: looks at once, then whenever a timer is due. */
async function liveUntil(minutes: number): Promise<void> {
  for (; harness.now <= start + minutes * minute; harness.now += 10_000) await harness.reconcile();
}

describe("a schedule", () => {
  it("a schedule triggers each tick once, and its status is written only with a tick", async () => {
    await liveUntil(3);
    expect(harness.ticks).toEqual([1, 2, 3]);
    expect([...harness.runs.keys()][0]).toBe(`s-${(start + minute) / 1000}`);
    expect(harness.statusWrites).toBe(4);
    expect(harness.schedule.status).toMatchObject({
      active: true,
      lastRun: `s-${(start + 3 * minute) / 1000}`,
      nextScheduledAt: "2026-01-01T00:04:00.000Z",
      missed: 0,
    });
    expect(harness.schedule.status?.upcoming).toHaveLength(5);
    expect(harness.next).toEqual(at(start + 4 * minute));
  });

  it("a run of a schedule names its tick and has Trigger.dev's payload", async () => {
    harness = new ScheduleHarness({ timezone: "Europe/Berlin", externalId: "customer-7" });
    await liveUntil(2);
    const run = [...harness.runs.values()][1];
    expect(run?.metadata.labels).toEqual({ "fairlead.dev/origin": "schedule", "fairlead.dev/schedule": "s" });
    expect(run?.metadata.annotations).toEqual({ "fairlead.dev/schedule-uid": "u" });
    expect(run?.spec).toMatchObject({
      task: "t",
      schedule: { name: "s", at: "2026-01-01T00:02:00.000Z" },
      payload: {
        type: "IMPERATIVE",
        timestamp: "2026-01-01T00:02:00.000Z",
        lastTimestamp: "2026-01-01T00:01:00.000Z",
        timezone: "Europe/Berlin",
        scheduleId: "sched_s",
        externalId: "customer-7",
      },
    });
  });

  it("a paused schedule triggers nothing, and continues from its resumption", async () => {
    await liveUntil(1);
    harness.edit({ paused: true });
    await liveUntil(5);
    expect(harness.schedule.status).toMatchObject({ active: false, missed: 0 });
    expect(harness.schedule.status?.nextScheduledAt).toBeUndefined();
    harness.edit({ paused: false });
    await liveUntil(7);
    expect(harness.ticks).toEqual([1, 6, 7]);
    expect(harness.schedule.status?.missed).toBe(0);
  });

  it("an override pauses a schedule whatever its spec says", async () => {
    harness.schedule = { ...harness.schedule, status: { override: { active: false } } };
    await liveUntil(2);
    expect(harness.ticks).toEqual([]);
    expect(harness.schedule.status?.override).toEqual({ active: false });
  });

  it("a schedule with a new expression counts from the change", async () => {
    await liveUntil(2);
    harness.edit({ cron: "*/5 * * * *" });
    harness.now = start + 7 * minute;
    await harness.reconcile();
    expect(harness.ticks).toEqual([1, 2]);
    await liveUntil(10);
    expect(harness.ticks).toEqual([1, 2, 10]);
  });

  it.each([
    [{ cron: "61 * * * *" }, "InvalidCron", /spec\.cron/],
    [{ timezone: "Mars/Base" }, "UnknownTimezone", /spec\.timezone/],
  ])("a schedule with an invalid field (%j) triggers nothing and says why", async (spec, reason, message) => {
    harness = new ScheduleHarness(spec);
    await liveUntil(2);
    expect(harness.runs.size).toBe(0);
    expect(harness.schedule.status?.active).toBe(false);
    expect(harness.schedule.status?.conditions?.[0]).toMatchObject({
      type: "Ready",
      status: "False",
      reason,
      message: expect.stringMatching(message),
    });
    expect(harness.statusWrites).toBe(1);
  });
});

const ready = () => harness.schedule.status?.conditions?.find(({ type }) => type === "Ready");
const runNamed = (name: string, metadata: Partial<TaskRun["metadata"]>): TaskRun => ({
  apiVersion,
  kind: "TaskRun",
  metadata: { name, namespace: "n", uid: name, ...metadata },
  spec: { container: { image: "i" } },
});

describe("a schedule whose ticks cannot become runs says so", () => {
  it("without its Task it triggers nothing, and the late ticks follow catchUp when the Task is there", async () => {
    harness.hasTask = false;
    await liveUntil(60);
    expect(harness.runs.size).toBe(0);
    expect(ready()).toMatchObject({
      status: "False",
      reason: "TaskNotFound",
      message: expect.stringMatching(/^spec\.task: no Task of this namespace has the id "t": apply it/),
    });
    harness.hasTask = true;
    await liveUntil(61);
    expect(harness.ticks).toEqual([59, 60, 61]);
    expect(harness.schedule.status).toMatchObject({ missed: 58 });
    expect(ready()).toMatchObject({ status: "True", reason: "Active" });
  });

  it("a Task that comes a moment after the tick loses none", async () => {
    harness.hasTask = false;
    await liveUntil(1);
    harness.hasTask = true;
    await liveUntil(2);
    expect(harness.ticks).toEqual([1, 2]);
    expect(harness.schedule.status?.missed).toBe(0);
  });

  it("a run that is refused is reported, tried again, and follows catchUp when it is late", async () => {
    await liveUntil(1);
    const details = { method: "POST", path: "/", status: 422, reason: "Invalid", message: "too large" };
    harness.refusal = new KubeError(details);
    await liveUntil(10);
    expect(ready()).toMatchObject({
      status: "False",
      reason: "RunRefused",
      message: expect.stringMatching(/too large/),
    });
    expect(harness.next).toEqual(at(harness.now - 10_000 + 30_000));
    harness.refusal = undefined;
    await liveUntil(11);
    expect(harness.ticks).toEqual([1, 9, 10, 11]);
    expect(harness.schedule.status?.missed).toBe(7);
    expect(ready()).toMatchObject({ status: "True", reason: "Active" });
  });

  it.each([
    ["one that a user applied", {}],
    [
      "one of an earlier schedule of this name",
      { labels: { "fairlead.dev/schedule": "s" }, annotations: { "fairlead.dev/schedule-uid": "old" } },
    ],
  ])("a run of the tick's name that is %s does not count as triggered", async (_whose, metadata) => {
    const name = `s-${(start + minute) / 1000}`;
    harness.runs.set(name, runNamed(name, metadata));
    await liveUntil(1);
    expect(harness.schedule.status).toMatchObject({ missed: 1 });
    expect(harness.schedule.status?.lastRun).toBeUndefined();
    const taken = { type: "NamesFree", status: "False", reason: "NameTaken" };
    expect(harness.schedule.status?.conditions?.[1]).toMatchObject({
      ...taken,
      message: expect.stringContaining(`TaskRun ${name} is not of this schedule`),
    });
    await liveUntil(2);
    expect(harness.schedule.status).toMatchObject({ missed: 1, lastRun: `s-${(start + 2 * minute) / 1000}` });
    expect(harness.schedule.status?.conditions?.[1]).toMatchObject({ type: "NamesFree", status: "True" });
  });

  it("a run of the tick that an earlier release made counts as triggered", async () => {
    const name = `s-${(start + minute) / 1000}`;
    harness.runs.set(name, runNamed(name, { labels: { "fairlead.dev/schedule": "s" } }));
    await liveUntil(1);
    expect(harness.schedule.status).toMatchObject({ missed: 0, lastRun: name });
  });
});

describe("when the controller's clock was wrong", () => {
  it("a clock that is set back by minutes triggers nothing twice", async () => {
    await liveUntil(10);
    harness.now -= 5 * minute;
    await liveUntil(12);
    expect(harness.ticks).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it("a clock that was years ahead does not stop the schedule for years", async () => {
    await liveUntil(1);
    const { now } = harness;
    harness.now = Date.UTC(2030, 0, 1);
    await harness.reconcile();
    harness.now = now;
    await liveUntil(3);
    expect(harness.ticks).toEqual(expect.arrayContaining([1, 2, 3]));
  });
});

it("a nightly tick survives an outage of minutes", async () => {
  harness = new ScheduleHarness({ cron: "0 2 * * *" });
  await harness.reconcile();
  harness.now = start + 130 * minute;
  await harness.reconcile();
  expect(harness.ticks).toEqual([120]);
  expect(harness.schedule.status?.missed).toBe(0);
});

it("no tick is lost or doubled, whichever writes the controller dies at", { timeout: 60_000 }, async () => {
  const death = fc.record({
    write: fc.integer({ min: 1, max: 40 }),
    moment: fc.constantFrom("before", "after"),
  });
  // Together less than what still counts as on time.
  const down = fc.integer({ min: 0, max: 15_000 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(death, down), { maxLength: 6 }), async (deaths) => {
      harness = new ScheduleHarness();
      for (const [one, downMs] of [...deaths, undefined].map((d) => d ?? ([undefined, 0] as const))) {
        harness.dieAt = one as ScheduleHarness["dieAt"];
        try {
          await liveUntil((harness.now - start) / minute + 3);
        } catch (error) {
          expect((error as Error).message).toBe("died");
        }
        harness.dieAt = undefined;
        harness.now += downMs;
      }
      await harness.reconcile();
      const last = Math.floor((harness.now - start) / minute);
      expect(harness.ticks).toEqual(Array.from({ length: last }, (_, i) => i + 1));
      expect(harness.schedule.status?.missed).toBe(0);
    }),
    { numRuns: 50 },
  );
});
