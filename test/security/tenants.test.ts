/**
 * Two tenants, each with Kubernetes' role edit in a namespace of its own, on a cluster with the release: what
 * one asks of its pods that is not its own, and what it asks of the other's namespace.
 */
import { KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../hack/lib/exec.ts";
import { releaseNamespace } from "../../hack/start/release.ts";
import { KubeClient, KubeError } from "../../operator/src/kube/client/client.ts";
import { Jobs, Pods } from "../../operator/src/kube/resources.ts";
import { TaskRuns, Tasks } from "../../operator/src/model/kinds.ts";
import { imageOf, shell, task, taskRun } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let a: TestNamespace;
let b: TestNamespace;
let tenant: KubeClient;
beforeAll(async () => {
  [a, b] = await Promise.all([TestNamespace.create("tenant-a"), TestNamespace.create("tenant-b")]);
  // The pod policy is what refuses, not Pod Security.
  const open = "pod-security.kubernetes.io/enforce=privileged";
  await run("kubectl", ["label", "--overwrite", "namespace", a.name, open]);
  const user = `user-of-${a.name}`;
  await a.kubectl("create", "rolebinding", "tenant", "--clusterrole=edit", `--user=${user}`);
  const config = new KubeConfig();
  config.loadFromDefault();
  const current = config.getCurrentUser();
  const cluster = config.getCurrentCluster();
  if (!cluster || !current) throw new Error("the kubeconfig has no current context");
  config.loadFromClusterAndUser(cluster, { ...current, impersonateUser: user });
  tenant = new KubeClient(config);
  const spec = { image: imageOf("shell"), podTemplate: { securityContext: { runAsUser: 1000 } } };
  await tenant.create(Tasks, a.name, task("guarded", spec) as never);
});
afterAll(async () => {
  await tenant?.close();
  await Promise.all([a?.remove(), b?.remove()]);
});

const ofPod = (podTemplate: object) => ({ ...shell("exit 0"), podTemplate });
const volume = (source: object) => ofPod({ volumes: [{ name: "v", ...source }] });
const env = [{ name: "NODE_OPTIONS", value: "--import=data:text/javascript,1" }];
const token = { serviceAccountToken: { audience: "sts.amazonaws.com", path: "t" } };
const asked: [name: string, spec: object, field: string, setting: string][] = [
  ["hostPath", volume({ hostPath: { path: "/" } }), "volumes[0].hostPath", "podPolicy.volumeTypes"],
  [
    "a service account",
    ofPod({ serviceAccountName: "default" }),
    "serviceAccountName",
    "podPolicy.serviceAccounts",
  ],
  ["a token", volume({ projected: { sources: [token] } }), "audience", "podPolicy.tokenAudiences"],
  [
    "a system priority",
    ofPod({ priorityClassName: "system-node-critical" }),
    "priorityClassName",
    "podPolicy.priorityClasses",
  ],
  ["a foreign Secret", volume({ secret: { secretName: "db" } }), "secretName", "podPolicy.secrets"],
  ["root", ofPod({ securityContext: { runAsUser: 0 } }), "runAsUser", "podPolicy.runAsRoot"],
  [
    "the Task's user",
    { task: "guarded", podTemplate: { securityContext: { runAsUser: 2000 } } },
    "securityContext",
    "spec.allowOverrides",
  ],
  ["the Task's code", { task: "guarded", podTemplate: { env } }, "env", "spec.allowOverrides"],
];

describe("a run", () => {
  test("that asks for what is not its tenant's fails before it has a Job, and says what can allow it", async () => {
    const names = asked.map((_, i) => `asks-${i}`);
    await Promise.all(
      asked.map(([, spec], i) => tenant.create(TaskRuns, a.name, taskRun(`asks-${i}`, spec) as never)),
    );
    const ended = await Promise.all(names.map((name) => a.untilFinished(name)));
    for (const [i, { phase, reason, message, attempts = [] }] of ended.entries()) {
      const [what, , field, setting] = asked[i] as (typeof asked)[number];
      expect({ phase, reason, attempts }, what).toEqual({
        phase: "Failed",
        reason: "Forbidden",
        attempts: [],
      });
      expect(message, what).toContain(field);
      expect(message, what).toContain(setting);
    }
    expect(await a.list(Jobs)).toEqual([]);
  });

  test("with the network of its node is refused, or has none of it", async () => {
    const manifest = taskRun("host", ofPod({ hostNetwork: true }));
    expect(await a.applyRefused(manifest)).toMatch(/unknown field "spec\.podTemplate\.hostNetwork"/);
    // The API server drops what it does not know.
    await tenant.create(TaskRuns, a.name, manifest as never);
    expect(await a.untilFinished("host")).toMatchObject({ phase: "Completed" });
    const pods = (await a.list(Pods)).map(({ spec }) => [
      spec?.hostNetwork ?? false,
      spec?.containers.length,
    ]);
    expect(pods).toEqual([[false, 1]]);
  });

  test("in the release's namespace is not executed", async () => {
    const admin = KubeClient.fromEnvironment();
    const name = `asks-${a.name}`;
    try {
      await admin.create(TaskRuns, releaseNamespace, taskRun(name, shell("exit 0")) as never);
      await run("kubectl", [
        ...["wait", "--namespace", releaseNamespace, `taskrun/${name}`],
        ...["--for=condition=Finished", "--timeout=30s"],
      ]);
      const { status } = (await admin.get(TaskRuns, releaseNamespace, name)) ?? {};
      expect(status).toMatchObject({ phase: "Failed", reason: "Forbidden" });
      expect(status?.message).toContain("podPolicy.releaseNamespace");
    } finally {
      await admin.delete(TaskRuns, releaseNamespace, name);
      await admin.close();
    }
  });
});

test("a tenant reads, writes and deletes nothing in the other's namespace, and no status in its own", async () => {
  await b.startRun("theirs", { ...shell("exit 0") });
  const refused = [
    tenant.get(TaskRuns, b.name, "theirs"),
    tenant.list(TaskRuns, b.name),
    tenant.list(TaskRuns, undefined),
    tenant.create(TaskRuns, b.name, taskRun("mine", shell("exit 0")) as never),
    tenant.patch(TaskRuns, b.name, "theirs", { spec: { cancelRequested: true } }, { type: "merge" }),
    tenant.delete(TaskRuns, b.name, "theirs"),
    tenant.patch(
      TaskRuns,
      a.name,
      "host",
      { status: { phase: "Completed" } },
      { type: "merge", subresource: "status" },
    ),
  ];
  for (const outcome of await Promise.allSettled(refused)) {
    expect(outcome.status).toBe("rejected");
    expect(KubeError.is((outcome as PromiseRejectedResult).reason, "Forbidden")).toBe(true);
  }
  expect(await b.untilFinished("theirs")).toMatchObject({ phase: "Completed" });
});
