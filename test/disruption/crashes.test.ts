/**
 * kill -9 of the controller between any two of its writes: the next controller finishes every run exactly
 * once.
 *
 * Each round applies new runs and starts a controller that kills itself after its n-th write, then another
 * one that does not. n rises until a controller survives the whole round: then a crash was tried after every
 * write.
 */
import type { V1Job } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../hack/lib/exec.ts";
import { waitFor } from "../../hack/lib/wait.ts";
import { releaseName, releaseNamespace } from "../../hack/start/release.ts";
import { Jobs } from "../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import type { TaskRun } from "../../operator/src/model/resources.ts";
import { isTerminal } from "../../operator/src/model/run/phase.ts";
import {
  type LocalController,
  prepareController,
  scaleDownRelease,
  scaleUpRelease,
  startController,
} from "../support/release/localController.ts";
import { type Manifest, readPayload, shell, taskRun, testTask } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

/** A namespace with its own controller; several work at the same time. */
interface Lane {
  ns: TestNamespace;
  env: Record<string, string>;
}

const laneCount = 6;
const lanes: Lane[] = [];

beforeAll(async () => {
  await scaleDownRelease();
  for (let number = 1; number <= laneCount; number++) {
    const ns = await TestNamespace.create("crash");
    await ns.apply(testTask("echo"));
    // Jobs are deleted as soon as their logs are stored, so that the deletion is among the writes.
    const env = { ...(await prepareController(ns.name)), FAIRLEAD_JOB_RETENTION_SECONDS: "0" };
    lanes.push({ ns, env });
  }
});
afterAll(async () => {
  const leases = ["delete", "leases", "--namespace", releaseNamespace, "--field-selector"];
  await run("kubectl", [...leases, `metadata.name!=${releaseName}-controller`]);
  await scaleUpRelease();
  for (const { ns } of lanes) await ns.remove();
});

/** A run that is retired as soon as it has finished. */
const retires = (round: string) =>
  taskRun(`retires-${round}`, {
    payload: { round },
    ttlSecondsAfterFinished: 0,
    ...shell(`${readPayload} > /dev/termination-log`),
  });

/** One run for every quick path through the state machine. */
const scenario = (round: string) => [
  taskRun(`task-${round}`, { task: "echo", payload: { round } }),
  taskRun(`again-${round}`, {
    maxAttempts: 2,
    retry: { minTimeoutInMs: 100, randomize: false },
    ...shell('test "$FAIRLEAD_ATTEMPT" = 2'),
  }),
  retires(round),
  taskRun(`stops-${round}`, {
    ...shell("sleep 300"),
    cancelRequested: true,
    podTemplate: { terminationGracePeriodSeconds: 1 },
  }),
];

const expected = {
  task: "Completed",
  again: "Completed",
  stops: "Canceled",
};
/** Rounds whose `retires` run was retired. */
const retired: { ns: TestNamespace; round: string }[] = [];
/** More writes than the scenario needs; reached only if it never ends. */
const roundLimit = 200;

test("every run ends exactly once when the controller is killed after any of its writes", {
  timeout: 12 * 60_000,
}, async () => {
  let next = 1;
  let crashes = 0;
  let survived = false;
  const work = async (lane: Lane): Promise<void> => {
    while (!survived) {
      const n = next++;
      expect(n, "the controller writes without end").toBeLessThan(roundLimit);
      // After one write is also before the next one.
      if (await round(lane, String(n), `${n}:after`)) survived = true;
      else crashes++;
    }
  };
  await Promise.all(lanes.map(work));
  console.log(`${crashes} crashes, one after each write`);
  // History has the run, wherever its retirement was interrupted: applied again, it has its result and does
  // not run.
  const controllers = lanes.map(({ ns, env }) =>
    startController({ ...env, FAIRLEAD_LEASE_NAME: `crash-${ns.name}-history` }),
  );
  for (const { ns } of lanes) {
    const rounds = retired.filter((one) => one.ns === ns).map(({ round }) => round);
    // Kept for longer, so that it can be read.
    await ns.apply(...rounds.map((round) => keptLonger(retires(round))));
    for (const round of rounds) {
      const again = await ns.untilFinished(`retires-${round}`);
      expect(again).toMatchObject({ phase: "Completed", reason: "Duplicate", output: { round } });
      expect(again.attempts ?? []).toEqual([]);
    }
  }
  await Promise.all(controllers.map((controller) => controller.stop()));
  // Four runs, each at least accepted, admitted, given a Job, settled and captured.
  expect(crashes).toBeGreaterThan(25);
});

function keptLonger(manifest: Manifest): Manifest {
  const { spec } = manifest as Manifest & { spec: object };
  return { ...manifest, spec: { ...spec, ttlSecondsAfterFinished: 3600 } } as Manifest;
}

/** Returns whether the controller survived. */
async function round({ ns, env }: Lane, name: string, crash: string): Promise<boolean> {
  await ns.apply(...scenario(name));
  const doomed = startController({
    ...env,
    FAIRLEAD_LEASE_NAME: `crash-${ns.name}-${name}`,
    FAIRLEAD_CRASH_AT_WRITE: crash,
  });
  const survived = await Promise.race([
    settled(ns, name, doomed).then(() => true),
    doomed.ended.then(() => false),
  ]);
  if (survived) await doomed.stop();
  else {
    expect(await doomed.ended, doomed.output()).toBe("SIGKILL");
    // Its own Lease: the dead controller's expires only after 15 s.
    const next = startController({ ...env, FAIRLEAD_LEASE_NAME: `crash-${ns.name}-${name}-next` });
    try {
      await settled(ns, name, next);
    } finally {
      await next.stop();
    }
  }
  await check(ns, name);
  retired.push({ ns, round: name });
  await ns.kubectl("delete", "taskruns", "--all", "--wait=false");
  return survived;
}

/** Waits until every run of the round has finished and nothing is left to do. */
async function settled(ns: TestNamespace, name: string, controller: LocalController): Promise<void> {
  let exited = false;
  controller.ended.then(() => {
    exited = true;
  });
  let last: string[] = [];
  await waitFor(
    `the runs of round ${name} settle`,
    async () => {
      if (exited) return true;
      const runs = (await runsOf(ns, name)).map(({ metadata, status }) => {
        const isKept = !metadata.name.startsWith("retires-");
        const done = isKept && isTerminal(status?.phase) && (status?.attempts ?? []).every((a) => a.captured);
        return { done, text: `${metadata.name}: ${status?.phase} ${status?.reason} ${status?.message}` };
      });
      last = runs.filter(({ done }) => !done).map(({ text }) => text);
      const jobs = last.length === 0 ? await jobsOf(ns, name) : [];
      const left = Object.keys(expected).length;
      return runs.length === left && last.length === 0 && jobs.length === 0;
    },
    { timeoutMs: 60_000, intervalMs: 200, describe: () => `${last.join("\n")}\n${controller.output()}` },
  );
}

async function check(ns: TestNamespace, name: string): Promise<void> {
  for (const { metadata, status } of await runsOf(ns, name)) {
    const kind = metadata.name.slice(0, metadata.name.indexOf("-")) as keyof typeof expected;
    expect(status?.phase, `${metadata.name}: ${status?.message}`).toBe(expected[kind]);
    const numbers = status?.attempts?.map((a) => a.number) ?? [];
    if (kind === "again") expect(numbers).toEqual([1, 2]);
    else if (kind !== "stops") expect(numbers).toEqual([1]);
    if (kind === "task") expect(status?.output).toEqual({ round: name });
  }
}

async function runsOf(ns: TestNamespace, name: string): Promise<TaskRun[]> {
  return (await ns.list(TaskRuns)).filter(
    (run) => run.metadata.name.endsWith(`-${name}`) && !run.metadata.deletionTimestamp,
  );
}

async function jobsOf(ns: TestNamespace, name: string): Promise<V1Job[]> {
  return (await ns.list(Jobs)).filter((job) =>
    job.metadata?.labels?.["fairlead.dev/run"]?.endsWith(`-${name}`),
  );
}
