/** Faults that the cluster, its users and other components cause to a run. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../hack/lib/exec.ts";
import { releaseName, releaseNamespace } from "../../hack/start/release.ts";
import { Pods } from "../../operator/src/kube/resources.ts";
import type { TaskRunStatus } from "../../operator/src/model/resources.ts";
import { loadObject } from "../support/release/bucket.ts";
import { imageOf, shell, testTask } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("disturb");
  await ns.apply(...["echo", "oom", "sleep"].map((id) => testTask(id)));
});
afterAll(() => ns?.remove());

const podOf = async (name: string): Promise<string> => {
  const [pod] = await ns.list(Pods, `fairlead.dev/run=${name}`);
  if (!pod?.metadata?.name) throw new Error(`${name} has no pod`);
  return pod.metadata.name;
};

test("a task that exceeds its memory ends as Crashed", async () => {
  await ns.startRun("oom", { task: "oom", machine: "micro" });
  expect(await ns.untilFinished("oom")).toMatchObject({ phase: "Crashed", reason: "OOMKilled" });
});

describe("a run that cannot start fails with the pod's own reason", () => {
  const blocked: [string, object, RegExp, RegExp][] = [
    [
      "an image that is not there",
      { container: { image: "fairlead.local/nothing:1" } },
      /Image/,
      /fairlead\.local\/nothing:1/,
    ],
    [
      "a node that is not there",
      { ...shell("exit 0"), podTemplate: { nodeSelector: { "no-such": "label" } } },
      /Unschedulable/,
      /node/,
    ],
    [
      "a ConfigMap that is not there",
      { container: { image: imageOf("shell"), envFrom: [{ configMapRef: { name: "fairlead-task-none" } }] } },
      /CreateContainerConfigError/,
      /fairlead-task-none/,
    ],
  ];

  test.each(blocked)("a run with %s fails with the pod's own reason", async (what, spec, reason, message) => {
    const name = what.replaceAll(/[^a-z]+/g, "-");
    await ns.startRun(name, { ...spec, startTimeoutSeconds: 12 });
    const waiting = await ns.until(name, "says why it waits", (s) => reason.test(s.reason ?? ""));
    expect(waiting.phase).toBe("Starting");
    const status = await ns.untilFinished(name);
    expect(status).toMatchObject({ phase: "Failed", reason: expect.stringMatching(reason) });
    expect(status.message).toMatch(/startTimeoutSeconds, 12 s/);
    expect(status.message).toMatch(message);
  });

  test("a run whose pod exceeds a quota fails with the quota's message", async () => {
    const tight = await TestNamespace.create("quota");
    try {
      await tight.kubectl("create", "quota", "none", "--hard=pods=0");
      await tight.startRun("quota", { ...shell("exit 0"), startTimeoutSeconds: 8 });
      const status = await tight.untilFinished("quota");
      expect(status).toMatchObject({ phase: "Failed", reason: "QuotaExceeded" });
      expect(status.message).toContain("exceeded quota");
    } finally {
      await tight.remove();
    }
  });

  test("a run that the pod policy refuses fails at once, without a Job", async () => {
    await ns.startRun("root", { ...shell("exit 0"), podTemplate: { securityContext: { runAsUser: 0 } } });
    const status = await ns.untilFinished("root");
    expect(status).toMatchObject({ phase: "Failed", reason: "Forbidden" });
    expect(status.message).toMatch(/spec\.podTemplate\.securityContext\.runAsUser: .*podPolicy\.runAsRoot/);
    expect(status.attempts ?? []).toEqual([]);
  });

  test("a run whose Job the API server refuses fails with the refusal", async () => {
    await ns.startRun("bad", { ...shell("exit 0"), podTemplate: { nodeSelector: { "not a label!": "x" } } });
    expect(await ns.untilFinished("bad")).toMatchObject({ phase: "Failed", reason: "InvalidJob" });
  });
});

describe("an attempt that the infrastructure lost", () => {
  const retried = (status: TaskRunStatus) => status.attempts?.length === 2 && status.phase === "Completed";
  // Only the first attempt runs for a minute.
  const script = 'test "$FAIRLEAD_ATTEMPT" = 2 || sleep 60';
  const spec = { ...shell(script), podTemplate: { terminationGracePeriodSeconds: 1 } };

  test("a run whose pod was deleted is retried without spending an attempt", async () => {
    await ns.startRun("pod-deleted", spec);
    await ns.untilPhase("pod-deleted", "Executing");
    await ns.kubectl("delete", "pod", await podOf("pod-deleted"), "--wait=false");
    const status = await ns.until("pod-deleted", "has completed its second attempt", retried);
    expect(status).toMatchObject({ infrastructureRetries: 1, attempts: [{ outcome: "Infrastructure" }, {}] });
  });

  test("a run whose pod was deleted by force is retried without spending an attempt", async () => {
    await ns.startRun("forced", spec);
    await ns.untilPhase("forced", "Executing");
    await ns.kubectl("delete", "pod", await podOf("forced"), "--force", "--grace-period=0");
    const status = await ns.until("forced", "has completed its second attempt", retried);
    expect(status.infrastructureRetries).toBe(1);
  });

  test("a run whose Job was deleted is retried without spending an attempt", async () => {
    await ns.startRun("job-deleted", spec);
    await ns.untilPhase("job-deleted", "Executing");
    await ns.kubectl("delete", "job", "job-deleted-1", "--wait=false");
    const status = await ns.until("job-deleted", "has completed its second attempt", retried);
    expect(status.infrastructureRetries).toBe(1);
  });

  test("a run whose pod was evicted is retried without spending an attempt", async () => {
    await ns.startRun("evicted", spec);
    await ns.untilPhase("evicted", "Executing");
    const pod = await podOf("evicted");
    const eviction = {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: pod, namespace: ns.name },
    };
    const path = `/api/v1/namespaces/${ns.name}/pods/${pod}/eviction`;
    await run("kubectl", ["create", "--raw", path, "-f", "-"], { input: JSON.stringify(eviction) });
    const status = await ns.until("evicted", "has completed its second attempt", retried);
    expect(status.infrastructureRetries).toBe(1);
  });
});

describe("each of the two ways of a result is enough", () => {
  const cancel = JSON.stringify({ spec: { cancelRequested: true } });
  const scale = (name: string, replicas: number) =>
    run("kubectl", [
      "scale",
      "--namespace",
      releaseNamespace,
      `deployment/${releaseName}-${name}`,
      `--replicas=${replicas}`,
    ]);
  const ready = (name: string) =>
    run("kubectl", [
      "rollout",
      "status",
      "--namespace",
      releaseNamespace,
      `deployment/${releaseName}-${name}`,
      "--timeout=120s",
    ]);

  test("a run settles from its termination message while the API is down, and its output is in the bucket", async () => {
    await scale("api", 0);
    try {
      await ready("api");
      await ns.startRun("no-api", { task: "echo", payload: { still: "here" } });
      const status = await ns.untilFinished("no-api", 120_000);
      expect(status).toMatchObject({ phase: "Completed", output: { still: "here" } });
      expect(JSON.parse(await loadObject(status.outputRef?.key))).toEqual({ still: "here" });
    } finally {
      await scale("api", 2);
      await ready("api");
    }
  });

  test("a run settles from its report while the controller is down, and its log and Job are handled afterwards", async () => {
    await ns.startRun("no-controller", { task: "sleep", payload: { ms: 4000 } });
    await ns.untilPhase("no-controller", "Executing");
    await scale("controller", 0);
    try {
      expect(await ns.untilFinished("no-controller")).toMatchObject({
        phase: "Completed",
        output: { sleptMs: 4000 },
      });
      expect((await ns.loadRun("no-controller")).status?.attempts?.[0]?.captured).toBeUndefined();
    } finally {
      await scale("controller", 2);
      await ready("controller");
    }
    await ns.untilCaptured("no-controller");
  });

  test("runs settle and are canceled while the object store is down, and their logs are stored when it is back", async () => {
    await ns.startRun("no-store", { task: "sleep", payload: { ms: 3000 } });
    await ns.startRun("no-store-canceled", shell("sleep 300"));
    await ns.untilPhase("no-store", "Executing");
    await scale("objectstore", 0);
    try {
      expect(await ns.untilFinished("no-store", 120_000)).toMatchObject({ output: { sleptMs: 3000 } });
      await ns.kubectl("patch", "taskrun", "no-store-canceled", "--type=merge", "-p", cancel);
      expect((await ns.untilFinished("no-store-canceled")).phase).toBe("Canceled");
    } finally {
      await scale("objectstore", 1);
      await ready("objectstore");
    }
    const status = await ns.untilCaptured("no-store", 120_000);
    expect(status).toMatchObject({ phase: "Completed", output: { sleptMs: 3000 } });
    expect(status.attempts?.[0]?.logKey).toBeDefined();
  });
});
