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
      client: {
        create: async (_resource: unknown, _namespace: string, run: TaskRun) =>
          this.#write(() => {
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
