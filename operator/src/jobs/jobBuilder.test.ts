import { expect, test } from "vitest";
import type { Attempt, TaskRun } from "../model/resources.ts";
import { buildJob } from "./jobBuilder.ts";
import { type PinnedTask, resolveProgram, retryOf } from "./program.ts";

const attempt: Attempt = { number: 1, job: "hello-1", slot: 1, admittedAt: "2026-01-01T00:00:00Z" };
const defaults = { maxDurationSeconds: 3600, startTimeoutSeconds: 300 };

const task: PinnedTask = { name: "t", id: "t", spec: { image: "i" } };

function jobOf(spec: object, pinned?: PinnedTask) {
  const run = { metadata: { name: "hello", namespace: "prod", uid: "u1" }, spec } as TaskRun;
  return buildJob(run, attempt, resolveProgram(run, pinned, defaults), [{ name: "FAIRLEAD_X", value: "1" }]);
}

test("one pod, one try, owned by the run, findable by its labels", () => {
  const { metadata, spec } = jobOf({ container: { image: "i" } });
  expect(metadata).toMatchObject({
    name: "hello-1",
    namespace: "prod",
    labels: {
      "fairlead.dev/run": "hello",
      "fairlead.dev/run-uid": "u1",
      "fairlead.dev/attempt": "1",
      "app.kubernetes.io/managed-by": "fairlead",
    },
    ownerReferences: [{ kind: "TaskRun", uid: "u1", controller: true, blockOwnerDeletion: false }],
  });
  expect(spec).toMatchObject({ backoffLimit: 0, podReplacementPolicy: "Failed", completions: 1 });
  expect(spec?.template.spec?.restartPolicy).toBe("Never");
  expect(spec?.template.metadata?.labels).toMatchObject(metadata?.labels ?? {});
});

test("passes Pod Security restricted and has no service account token", () => {
  const pod = jobOf({ container: { image: "i" } }).spec?.template.spec;
  expect(pod).toMatchObject({
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
    containers: [{ securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } }],
  });
});

test("the Job's own deadline lies behind every other", () => {
  const spec = { container: { image: "i" }, maxDurationSeconds: 100, startTimeoutSeconds: 20 };
  expect(jobOf(spec).spec?.activeDeadlineSeconds).toBeGreaterThan(100 + 20 + 30);
});

test("the run's template goes over the Task's, and neither over the attempt's own variables and labels", () => {
  const task: PinnedTask = {
    name: "t",
    id: "t",
    spec: {
      image: "i",
      podTemplate: {
        nodeSelector: { disk: "ssd", zone: "a" },
        env: [
          { name: "A", value: "task" },
          { name: "FAIRLEAD_X", value: "stolen" },
        ],
        labels: { "fairlead.dev/run": "stolen", "fairlead.dev/run-uid": "stolen", team: "x" },
      },
    },
  };
  const spec = {
    task: "t",
    podTemplate: { nodeSelector: { zone: "b" }, env: [{ name: "A", value: "run" }] },
  };
  const template = jobOf(spec, task).spec?.template;
  expect(template?.spec?.nodeSelector).toEqual({ disk: "ssd", zone: "b" });
  const env = Object.fromEntries(template?.spec?.containers[0]?.env?.map((e) => [e.name, e.value]) ?? []);
  expect(env).toEqual({ A: "run", FAIRLEAD_X: "1" });
  expect(template?.metadata?.labels).toMatchObject({
    "fairlead.dev/run": "hello",
    "fairlead.dev/run-uid": "u1",
    team: "x",
  });
});

test("a machine is the container's resources", () => {
  const resources = jobOf({ container: { image: "i" }, machine: "small-2x" }).spec?.template.spec
    ?.containers[0]?.resources;
  expect(resources).toEqual({ requests: { cpu: "1", memory: "1G" }, limits: { memory: "1G" } });
});

const gpu = { requests: { cpu: "2", memory: "1Gi" }, limits: { memory: "1Gi", "nvidia.com/gpu": "1" } };

test.each<[where: string, spec: object]>([
  ["the container", { container: { image: "i", resources: gpu } }],
  ["the pod template", { container: { image: "i" }, podTemplate: { resources: gpu } }],
])(
  "the larger machine after an attempt that was out of memory replaces the memory that %s asks for",
  (_where, spec) => {
    const run = { metadata: { name: "hello", namespace: "prod", uid: "u1" }, spec } as TaskRun;
    const raised: Attempt = { ...attempt, number: 2, machine: "medium-1x" };
    const job = buildJob(run, raised, resolveProgram(run, undefined, defaults, raised), []);
    expect(job.spec?.template.spec?.containers[0]?.resources).toEqual({
      requests: { cpu: "1", memory: "2G" },
      limits: { memory: "2G", "nvidia.com/gpu": "1" },
    });
  },
);

test.each<[memory: string, expected: string | undefined]>([
  ["1Gi", "medium-1x"],
  ["2G", undefined],
  ["2Gi", undefined],
])(
  "an attempt with %s of memory gets the machine for memory only when that is larger",
  (memory, expected) => {
    const spec = { container: { image: "i", resources: { limits: { memory } } } };
    const retry = { outOfMemory: { machine: "medium-1x" } };
    const run = {
      metadata: { name: "hello", namespace: "prod", uid: "u1" },
      spec: { ...spec, retry },
    } as unknown as TaskRun;
    expect(retryOf(resolveProgram(run, undefined, defaults)).outOfMemoryMachine).toBe(expected);
  },
);

test("a failed container without a message leaves the end of its log as one", () => {
  for (const job of [jobOf({ container: { image: "i" } }), jobOf({ task: "t" }, task)])
    expect(job.spec?.template.spec?.containers[0]?.terminationMessagePolicy).toBe("FallbackToLogsOnError");
});

test("a task's NODE_OPTIONS get the heap option, a container's stay", () => {
  const podTemplate = { env: [{ name: "NODE_OPTIONS", value: "--enable-source-maps" }] };
  const optionsOf = (job: ReturnType<typeof jobOf>) =>
    job.spec?.template.spec?.containers[0]?.env?.find(({ name }) => name === "NODE_OPTIONS")?.value;
  expect(optionsOf(jobOf({ container: { image: "i" }, podTemplate }))).toBe("--enable-source-maps");
  expect(optionsOf(jobOf({ task: "t", podTemplate }, task))).toMatch(
    /^--max-old-space.* --enable-source-maps$/,
  );
});
