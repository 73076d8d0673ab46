import { expect, test } from "vitest";
import { KubeError } from "../../kube/client/kubeError.ts";
import type { TaskRun } from "../../model/resources.ts";
import { accepted, admitted, ended, newRun, now, play } from "../../model/run/testEvents.ts";
import { applyRunEvent } from "./applyRunEvent.ts";
import { toCachedRun } from "./cache.ts";

const invalid = new KubeError({
  ...{ method: "PUT", path: "/status", status: 422, reason: "Invalid" },
  message: `TaskRun "r" is invalid: ${"x".repeat(3000)}`,
});

/** An API server that refuses each status that has a node in it, or all. */
function serverThat(refuses: (run: TaskRun) => boolean, live?: TaskRun) {
  const written: TaskRun[] = [];
  const deps = {
    client: {
      get: async () => live,
      async replace(_resource: unknown, _namespace: unknown, _name: unknown, run: TaskRun) {
        if (refuses(run)) throw invalid;
        written.push(run);
        return { ...run, spec: {} };
      },
    },
    runs: { upsertFromWrite: () => undefined },
    clock: () => Date.parse(now),
    log: { error: () => undefined },
  };
  return { deps: deps as unknown as Parameters<typeof applyRunEvent>[0], written };
}

const starting = play(newRun(), accepted, admitted(1));
const started = { type: "Started", attempt: 1, at: now, node: "n1" } as const;

test("a status that the API server refuses ends the run, which says so and keeps what cleaning up needs", async () => {
  const { deps, written } = serverThat((run) => run.status?.attempts?.[0]?.node !== undefined);
  const run = await applyRunEvent(deps, starting, started);
  expect(written).toHaveLength(1);
  expect(run?.status).toMatchObject({
    phase: "SystemFailure",
    reason: "StatusRefused",
    message: expect.stringMatching(/^The API server refused the run's status after Started: PUT .*\.\.\.$/),
    slot: 1,
    attempts: [{ number: 1, job: "r-1", outcome: "Infrastructure", finishedAt: now }],
  });
});

test("an API server that refuses every status is asked again later", async () => {
  const { deps } = serverThat(() => true);
  await expect(applyRunEvent(deps, starting, started)).rejects.toBe(invalid);
});

const big = { output: "x".repeat(8_000) };
const completed = play(starting, started, ended(1, "Completed", big));

test("the status of a run whose output the cache left out is written with its output", async () => {
  const cached = toCachedRun(completed);
  expect(cached.status?.output).toBeUndefined();
  const captured = { type: "Captured", attempt: 1 } as const;
  const { deps, written } = serverThat(() => false, completed);
  const run = await applyRunEvent(deps, cached, captured);
  expect(written).toMatchObject([{ status: { ...big, attempts: [{ captured: true }] } }]);
  expect(run?.status?.output).toBeUndefined();
  const other = { ...completed, metadata: { ...completed.metadata, uid: "another" } };
  expect(await applyRunEvent(serverThat(() => false, other).deps, cached, captured)).toBeUndefined();
});
