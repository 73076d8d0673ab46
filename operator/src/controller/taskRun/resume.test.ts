import { expect, test } from "vitest";
import { KubeError } from "../../kube/client/kubeError.ts";
import { again, done } from "../../kube/manager/requeue.ts";
import type { Attempt, TaskRun } from "../../model/resources.ts";
import {
  accepted,
  admitted,
  cancelRequested,
  newRun,
  play,
  resumeAsked,
  resumed,
  started,
  waitBegan,
} from "../../model/run/testEvents.ts";
import { AdmissionClosedError } from "../../queue/namespaceAdmission.ts";
import { type ResumeDeps, resume } from "./resume.ts";

const executing = play(newRun(), accepted, admitted(1), started(1));
const asking = play(executing, waitBegan(1, 1), resumeAsked(1, 1));
const grant = { namespace: "n", name: "r", uid: "u", slot: 2 };

/** `live`: the run on the API server. What is done with slots is noted. */
async function resumeOf({
  live = asking,
  granted = true,
  held = true,
  closed = false,
}: {
  live?: TaskRun;
  granted?: boolean;
  held?: boolean;
  closed?: boolean;
}) {
  const calls: string[] = [];
  let current = live;
  const deps = {
    clock: () => 0,
    log: { debug: () => undefined },
    runs: { upsertFromWrite: () => undefined },
    client: {
      get: async () => current,
      replace: async (_kind: unknown, _ns: unknown, _name: unknown, object: TaskRun) => {
        if (live !== asking)
          throw new KubeError({ method: "PUT", path: "r", status: 409, reason: "Conflict", message: "" });
        current = { ...current, status: object.status };
        return current;
      },
    },
    slots: {
      granted: () => undefined,
      request: async (pending: { resumes?: boolean; slot: number }) => {
        calls.push(`request after ${pending.slot}${pending.resumes ? ", resumes" : ""}`);
        return granted ? grant : undefined;
      },
      whileHeld: async (_grant: unknown, act: () => Promise<unknown>) => {
        if (closed) throw new AdmissionClosedError("closed");
        return held ? act() : undefined;
      },
      hold: () => calls.push("hold"),
      giveBack: async () => calls.push("give back"),
    },
  } as unknown as ResumeDeps;
  const outcome = await resume(deps, asking, asking.status?.attempts?.[0] as Attempt);
  return { outcome, calls, phase: outcome.run?.status?.phase };
}

test("a run goes on with the slot that it is granted, ahead of runs that are not started", async () => {
  const { calls, phase } = await resumeOf({});
  expect(calls).toEqual(["request after 1, resumes", "hold"]);
  expect(phase).toBe("Executing");
});

test("without a grant the run waits on", async () => {
  expect(await resumeOf({ granted: false })).toMatchObject({
    calls: ["request after 1, resumes"],
    outcome: { requeue: done },
  });
});

test("a grant that Redis has lost starts nothing: the run asks again", async () => {
  const { outcome, calls } = await resumeOf({ held: false });
  expect(calls.at(-1)).toBe("give back");
  expect(outcome).toEqual({ requeue: again });
});

test("while admission is closed the run waits, and keeps its grant", async () => {
  const { outcome, calls } = await resumeOf({ closed: true });
  expect(calls).toHaveLength(1);
  expect(outcome.requeue.at).toBeGreaterThan(0);
});

test("a write whose answer was lost has given the run this slot: it is not given back", async () => {
  const { calls } = await resumeOf({ live: play(asking, resumed(1, 2)) });
  expect(calls.at(-1)).toBe("hold");
});

test("the slot of a run that is being stopped is given back", async () => {
  const { calls } = await resumeOf({ live: play(asking, cancelRequested) });
  expect(calls.at(-1)).toBe("give back");
});
