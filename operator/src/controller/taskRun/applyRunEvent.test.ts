import { expect, test } from "vitest";
import { KubeError } from "../../kube/client/kubeError.ts";
import type { TaskRun } from "../../model/resources.ts";
import { accepted, admitted, newRun, now, play } from "../../model/run/testEvents.ts";
import { applyRunEvent } from "./applyRunEvent.ts";

const invalid = new KubeError({
  ...{ method: "PUT", path: "/status", status: 422, reason: "Invalid" },
  message: `TaskRun "r" is invalid: ${"x".repeat(3000)}`,
});

/** An API server that refuses each status that has a node in it, or all. */
function serverThat(refuses: (run: TaskRun) => boolean) {
  const written: TaskRun[] = [];
  const deps = {
    client: {
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
