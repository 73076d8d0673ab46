/** Whatever the pod policy accepts by default passes Pod Security `restricted`, as a whole pod. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { restrictedViolations } from "../../charts/fairlead/test/podSecurity.ts";
import { buildJob } from "../../operator/src/jobs/jobBuilder.ts";
import { refusalsOfRun } from "../../operator/src/jobs/podPolicy.ts";
import { policyIn } from "../../operator/src/jobs/podPolicySettings.ts";
import { type PinnedTask, resolveProgram } from "../../operator/src/jobs/program.ts";
import type { Attempt, TaskRun } from "../../operator/src/model/resources.ts";

const defaults = { maxDurationSeconds: 3600, startTimeoutSeconds: 300 };
const attempt: Attempt = { number: 1, job: "x-1", slot: 1, admittedAt: "2026-01-01T00:00:00Z" };
const policy = policyIn("team");
const runWith = (spec: object): TaskRun =>
  ({ metadata: { name: "x", namespace: "team", uid: "u" }, spec }) as unknown as TaskRun;

/** Templates that are mostly right, with pieces that may be anything. */
const anything = fc.jsonValue({ maxDepth: 2 });
const mostly = <T>(...good: T[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: anything });
const ids = mostly<unknown>(1, 1000, 65532, null, 0);
const anyTemplate = fc.record(
  {
    securityContext: fc.record(
      {
        runAsUser: ids,
        runAsGroup: ids,
        fsGroup: ids,
        runAsNonRoot: mostly<unknown>(true, null, false),
        seccompProfile: mostly<unknown>(
          ...[{ type: "RuntimeDefault" }, { type: "Localhost", localhostProfile: "x" }, null],
          ...[{ type: "Unconfined" }, { type: null }, {}],
        ),
      },
      { requiredKeys: [] },
    ),
    volumes: fc.array(
      mostly<unknown>(
        { name: "v", emptyDir: {} },
        { name: "v", hostPath: null },
        { name: "v", hostPath: { path: "/" } },
      ),
      { maxLength: 2 },
    ),
    readOnlyRootFilesystem: mostly<unknown>(true, false, null),
    resources: mostly<unknown>({}, null, { limits: { memory: "1Gi" } }),
  },
  { requiredKeys: [] },
);

test("whatever the policy accepts passes Pod Security restricted", () => {
  let accepted = 0;
  fc.assert(
    fc.property(anyTemplate, fc.boolean(), (template, ofTask) => {
      const pinned = ofTask
        ? ({ name: "t", id: "t", spec: { image: "i", podTemplate: template } } as unknown as PinnedTask)
        : undefined;
      const run = ofTask
        ? runWith({ task: "t" })
        : runWith({ container: { image: "i" }, podTemplate: template });
      if (refusalsOfRun(run, pinned, policy).length > 0) return;
      accepted++;
      const job = buildJob(run, attempt, resolveProgram(run, pinned, defaults), [], policy);
      const pod = JSON.parse(JSON.stringify(job.spec?.template.spec));
      expect(restrictedViolations(pod)).toEqual([]);
      expect(pod.automountServiceAccountToken).toBe(false);
    }),
    { numRuns: 3000, seed: 11 },
  );
  expect(accepted).toBeGreaterThan(100);
});
