/**
 * The chart's admission policies on a real API server, tried as the release's service accounts. Both accounts
 * may do everything here, so that nothing but a policy refuses.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import {
  ControllerRevisions,
  Events,
  Jobs,
  Leases,
  Pods,
  Secrets,
} from "../../../operator/src/kube/resources.ts";
import { TaskBatches, TaskRuns, Tasks } from "../../../operator/src/model/kinds.ts";
import { apiVersion } from "../../../operator/src/model/resources.ts";
import { jobOf, withContainer, withPod } from "../../support/servers/admittedJobs.ts";
import {
  type AnyKind,
  type Fields,
  foreign,
  image,
  merged,
  PolicedServer,
  release,
  special,
  tenant,
  tried,
} from "../../support/servers/policedServer.ts";

let server: PolicedServer;
let admin: KubeClient;
let controller: KubeClient;
let api: KubeClient;
beforeAll(async () => {
  server = await PolicedServer.start();
  ({ admin, controller, api } = server);
});
afterAll(() => server?.stop());

const volume = (source: object) => ({ volumes: [{ name: "v", ...source }] });
const projected = (source: object) => volume({ projected: { sources: [source] } });
const tokenOf = (audience?: string) => projected({ serviceAccountToken: { path: "t", audience } });
const envOf = (valueFrom: object) => ({ env: [{ name: "X", valueFrom }] });

describe("a Job of a TaskRun", () => {
  test.each<[string, object, string?]>([
    ["of a plain Task", {}],
    [
      "with what the pod policy allows",
      {
        ...{ labels: { team: "a" }, nodeSelector: { disk: "ssd" }, terminationGracePeriodSeconds: 5 },
        ...{ imagePullSecrets: [{ name: "fairlead-task-registry" }], readOnlyRootFilesystem: true },
        securityContext: { runAsUser: 1000, fsGroup: 1000, appArmorProfile: { type: "RuntimeDefault" } },
        volumes: [
          { name: "a", emptyDir: {} },
          { name: "b", secret: { secretName: "fairlead-task-x" } },
          { name: "c", configMap: { name: "fairlead-task-x" } },
          { name: "d", downwardAPI: { items: [{ path: "n", fieldRef: { fieldPath: "metadata.name" } }] } },
          { name: "e", projected: { sources: [{ secret: { name: "fairlead-task-x" } }] } },
        ],
        volumeMounts: [{ name: "a", mountPath: "/a" }],
        env: [{ name: "S", valueFrom: { secretKeyRef: { name: "fairlead-task-x", key: "k" } } }],
        envFrom: [{ configMapRef: { name: "fairlead-task-x" } }],
      },
    ],
    [
      "with what its namespace allows",
      {
        ...{ serviceAccountName: "worker", securityContext: { runAsUser: 0, runAsNonRoot: false } },
        ...{
          priorityClassName: "high",
          env: [{ name: "S", valueFrom: { secretKeyRef: { name: "team-a", key: "k" } } }],
        },
        volumes: [{ name: "n", nfs: { server: "s", path: "/" } }],
      },
      special,
    ],
    ["with a volume of Fairlead's own", { readOnlyRootFilesystem: true }, special],
  ])("%s is created", async (_, template, namespace = tenant) => {
    expect(await tried(controller, Jobs, jobOf(template, namespace), namespace)).toBe("");
  });

  test("with the attempt's own token is created", async () => {
    expect(await tried(controller, Jobs, withPod(tokenOf("fairlead")))).toBe("");
  });

  test.each<[string, Fields]>([
    ["hostPath", withPod(volume({ hostPath: { path: "/" } }))],
    ["nfs", withPod(volume({ nfs: { server: "s", path: "/" } }))],
    ["csi", withPod(volume({ csi: { driver: "d" } }))],
    ["a claim", withPod(volume({ persistentVolumeClaim: { claimName: "data" } }))],
    ["hostNetwork", withPod({ hostNetwork: true })],
    ["hostPID", withPod({ hostPID: true })],
    ["hostIPC", withPod({ hostIPC: true })],
    ["a node by its name", withPod({ nodeName: "control-plane" })],
    ["a port of the host", withContainer({ ports: [{ containerPort: 80, hostPort: 80 }] })],
    ["privileged", withContainer({ securityContext: { privileged: true, allowPrivilegeEscalation: true } })],
    ["privilege escalation", withContainer({ securityContext: { allowPrivilegeEscalation: true } })],
    [
      "a capability",
      withContainer({ securityContext: { capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] } } }),
    ],
    ["all capabilities", withContainer({ securityContext: { capabilities: { drop: [] } } })],
    ["no container security context", withContainer({ securityContext: undefined })],
    ["a container as root", withContainer({ securityContext: { runAsUser: 0 } })],
    ["a container that may be root", withContainer({ securityContext: { runAsNonRoot: false } })],
    [
      "an unconfined container",
      withContainer({ securityContext: { seccompProfile: { type: "Unconfined" } } }),
    ],
    [
      "unmasked /proc",
      merged(withContainer({ securityContext: { procMount: "Unmasked" } }), {
        spec: { template: { spec: { hostUsers: false } } },
      }),
    ],
    ["root", withPod({ securityContext: { runAsUser: 0 } })],
    ["perhaps root", withPod({ securityContext: { runAsNonRoot: false } })],
    ["unconfined", withPod({ securityContext: { seccompProfile: { type: "Unconfined" } } })],
    ["no AppArmor", withPod({ securityContext: { appArmorProfile: { type: "Unconfined" } } })],
    ["a sysctl", withPod({ securityContext: { sysctls: [{ name: "kernel.shm_rmid_forced", value: "1" }] } })],
    ["no pod security context", withPod({ securityContext: undefined })],
    ["an init container", withPod({ initContainers: [{ name: "i", image }] })],
    [
      "a second container",
      withPod({
        containers: [
          { name: "main", image },
          { name: "b", image },
        ],
      }),
    ],
    ["a service account", withPod({ serviceAccountName: "admin" })],
    ["a service account by its old name", withPod({ serviceAccount: "admin" })],
    ["the default account's token", withPod({ automountServiceAccountToken: true })],
    ["a token for the API server", withPod(tokenOf())],
    ["a token for another service", withPod(tokenOf("vault"))],
    ["a Secret as a variable", withContainer(envOf({ secretKeyRef: { name: "db", key: "k" } }))],
    ["a Secret as variables", withContainer({ envFrom: [{ secretRef: { name: "db" } }] })],
    ["a Secret as a volume", withPod(volume({ secret: { secretName: "db" } }))],
    ["a Secret in a projected volume", withPod(projected({ secret: { name: "db" } }))],
    ["a Secret for its images", withPod({ imagePullSecrets: [{ name: "db" }] })],
    ["a ConfigMap as a variable", withContainer(envOf({ configMapKeyRef: { name: "c", key: "k" } }))],
    ["a ConfigMap as variables", withContainer({ envFrom: [{ configMapRef: { name: "c" } }] })],
    ["a ConfigMap as a volume", withPod(volume({ configMap: { name: "c" } }))],
    ["a ConfigMap in a projected volume", withPod(projected({ configMap: { name: "c" } }))],
    ["a system priority", withPod({ priorityClassName: "system-node-critical" })],
    ["a trust bundle of the cluster", withPod(projected({ clusterTrustBundle: { name: "x", path: "p" } }))],
    [
      "a volume by a name of Fairlead",
      withPod({ volumes: [{ name: "fairlead-x", hostPath: { path: "/" } }] }),
    ],
    ["a priority class", withPod({ priorityClassName: "high" })],
    ["a runtime class", withPod({ runtimeClassName: "kata" })],
    ["no owner", merged(jobOf({}), { metadata: { ownerReferences: [] } })],
    [
      "a foreign owner",
      merged(jobOf({}), {
        metadata: {
          ownerReferences: [
            { apiVersion: "batch/v1", kind: "CronJob", name: "r", uid: "u", controller: true },
          ],
        },
      }),
    ],
    ["no label", merged(jobOf({}), { metadata: { labels: { "app.kubernetes.io/managed-by": "x" } } })],
  ])("with %s is refused", async (_, job) => {
    expect(await tried(controller, Jobs, job)).toContain("ValidatingAdmissionPolicy 'jobs-fairlead-jobs'");
  });

  test.each(["kube-system", "kube-public", release])("in %s is refused", async (namespace) => {
    const message = await tried(controller, Jobs, jobOf({}, namespace), namespace);
    expect(message).toMatch(/executes no runs \(podPolicy\.closedNamespaces, podPolicy\.releaseNamespace\)/);
  });

  test.each<[string, object]>([
    [
      "another Secret than its namespace allows",
      { env: [{ name: "S", valueFrom: { secretKeyRef: { name: "fairlead-task-x", key: "k" } } }] },
    ],
    ["a volume that is allowed elsewhere", { volumes: [{ name: "n", emptyDir: {} }] }],
    ["another service account", { serviceAccountName: "admin" }],
  ])("with %s is refused", async (_, template) => {
    const message = await tried(controller, Jobs, jobOf(template, special), special);
    expect(message).toContain("ValidatingAdmissionPolicy 'jobs-fairlead-jobs'");
  });

  test("is deleted, a Job of somebody else is not, and nothing of either but a deadline changes", async () => {
    const mine = await controller.create(
      Jobs,
      tenant,
      merged(jobOf({}), { metadata: { name: "mine" } }) as never,
    );
    const theirs = await admin.create(Jobs, tenant, {
      ...{ apiVersion: "batch/v1", kind: "Job", metadata: { name: "theirs" } },
      ...(foreign.Job as object),
    } as never);
    const patch = (spec: object, { metadata } = mine) =>
      controller.patch(Jobs, tenant, metadata?.name ?? "", { spec }, { type: "merge" });
    for (const spec of [{ parallelism: 0 }, { suspend: true }])
      await expect(patch(spec)).rejects.toThrow("of a Job only spec.activeDeadlineSeconds is changed");
    expect((await patch({ activeDeadlineSeconds: 5 })).spec?.activeDeadlineSeconds).toBe(5);
    await expect(patch({ activeDeadlineSeconds: 5 }, theirs)).rejects.toThrow("not one of a TaskRun");
    await expect(controller.delete(Jobs, tenant, "theirs")).rejects.toThrow("not one of a TaskRun");
    expect(await controller.delete(Jobs, tenant, "mine", { propagationPolicy: "Background" })).toBe(true);
  });
});

describe("a pod", () => {
  const podOf = (name: string, labels: Record<string, string>) =>
    admin.create(Pods, tenant, {
      ...{ apiVersion: "v1", kind: "Pod", metadata: { name, labels } },
      spec: { automountServiceAccountToken: false, containers: [{ name: "main", image }] },
    } as never);
  const ours = { "app.kubernetes.io/managed-by": "fairlead", "fairlead.dev/run": "r" };
  const end = {
    metadata: { annotations: { "fairlead.dev/stopped-at": "now" } },
    spec: { activeDeadlineSeconds: 1 },
  };
  const patch = (name: string, body: object) =>
    controller.patch(Pods, tenant, name, body, { type: Array.isArray(body) ? "json" : "merge" });

  test("of a run is ended, and nothing else of it changes", async () => {
    await podOf("ours", ours);
    expect((await patch("ours", end)).spec?.activeDeadlineSeconds).toBe(1);
    for (const body of [
      { spec: { containers: [{ name: "main", image: "registry.test/evil:1" }] } },
      [{ op: "add", path: "/spec/tolerations/-", value: { operator: "Exists" } }],
      { metadata: { labels: { app: "web" } } },
      { metadata: { ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "x", uid: "u" }] } },
    ])
      await expect(patch("ours", body)).rejects.toThrow(
        "only its annotations and spec.activeDeadlineSeconds",
      );
    await expect(controller.delete(Pods, tenant, "ours")).rejects.toThrow("'jobs-fairlead-pods'");
  });

  test("of somebody else is neither ended, taken nor made", async () => {
    await podOf("theirs", {});
    await expect(patch("theirs", end)).rejects.toThrow("not one of a TaskRun");
    await expect(patch("theirs", { metadata: { labels: ours } })).rejects.toThrow("not one of a TaskRun");
    expect(await tried(controller, Pods, { metadata: { labels: ours } })).toContain("not one of a TaskRun");
  });
});

describe("what is Fairlead's by its name or labels", () => {
  const version = { labels: { "app.kubernetes.io/managed-by": "fairlead", "fairlead.dev/task": "t" } };
  const ofDaemon = { ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "d", uid: "u" }] };
  const source = { source: { component: "fairlead-controller" } };
  const named = (name: string) => ({ metadata: { name } });
  const tokenNamed = (name: string) => ({
    metadata: { name, annotations: { "kubernetes.io/service-account.name": "default" } },
    type: "kubernetes.io/service-account-token",
  });
  const cases: [string, AnyKind, object, string, string, "controller" | "api"][] = [
    ["a version of a Task", ControllerRevisions, { metadata: version }, tenant, "", "controller"],
    ["a foreign revision", ControllerRevisions, {}, tenant, "not a version", "controller"],
    [
      "a revision of a DaemonSet",
      ControllerRevisions,
      { metadata: { ...version, ...ofDaemon } },
      tenant,
      "not a version",
      "controller",
    ],
    ["the claim of a namespace", Leases, named("fairlead-owner"), tenant, "", "controller"],
    ["its own Lease", Leases, named("fairlead-controller"), release, "", "controller"],
    [
      "a Lease of the cluster",
      Leases,
      named("kube-scheduler"),
      "kube-system",
      "not one of Fairlead",
      "controller",
    ],
    [
      "a Lease of that name elsewhere",
      Leases,
      named("fairlead-controller"),
      tenant,
      "not one of Fairlead",
      "controller",
    ],
    ["its own Secret", Secrets, named("fairlead-signing"), release, "", "controller"],
    ["another Secret", Secrets, named("x"), release, "not one of Fairlead", "controller"],
    [
      "its own Secret elsewhere",
      Secrets,
      named("fairlead-signing"),
      tenant,
      "not one of Fairlead",
      "controller",
    ],
    ["a token", Secrets, tokenNamed("fairlead-signing"), release, "Opaque", "controller"],
    ["variables", Secrets, named("fairlead-env"), tenant, "", "api"],
    ["a key", Secrets, named("fairlead-key"), release, "not one of Fairlead", "api"],
    ["a token as variables", Secrets, tokenNamed("fairlead-env"), tenant, "Opaque", "api"],
    ["an Event", Events, source, tenant, "", "controller"],
    [
      "an Event of another",
      Events,
      { source: { component: "kubelet" } },
      tenant,
      "not one of Fairlead",
      "controller",
    ],
  ];
  test.each(cases)("%s", async (_, kind, fields, namespace, refusal, account) => {
    const message = await tried(account === "api" ? api : controller, kind, fields, namespace);
    if (refusal === "") expect(message).toBe("");
    else expect(message).toContain(refusal);
  });

  test("of an existing one of somebody else nothing is changed or deleted", async () => {
    const metadata = { name: "theirs" };
    await admin.create(Secrets, tenant, { metadata });
    await admin.create(Leases, tenant, { metadata });
    await admin.create(ControllerRevisions, tenant, { metadata, revision: 1, data: { x: 1 } });
    await admin.create(Events, tenant, {
      metadata: { ...metadata, namespace: tenant },
      ...foreign.Event,
    } as never);
    const patch = {
      metadata: { labels: { "app.kubernetes.io/managed-by": "fairlead", "fairlead.dev/task": "t" } },
    };
    for (const kind of [Secrets, Leases, ControllerRevisions, Events] as AnyKind[]) {
      const changed = controller.patch(kind, tenant, "theirs", patch, { type: "merge" });
      await expect(changed, kind.kind).rejects.toThrow("ValidatingAdmissionPolicy");
      await expect(controller.delete(kind, tenant, "theirs"), kind.kind).rejects.toThrow(
        "ValidatingAdmissionPolicy",
      );
    }
  });
});

describe("the API", () => {
  const labels = { "fairlead.dev/origin": "api" };
  const run = (spec: object) => ({
    metadata: { labels },
    spec: { container: undefined, task: "t", ...spec },
  });
  const batch = (spec: object) => ({ metadata: { labels }, spec: { items: [{ task: "t" }], ...spec } });

  test("makes runs and batches of Tasks", async () => {
    expect(await tried(api, TaskRuns, run({ payload: { a: 1 } }))).toBe("");
    expect(await tried(api, TaskBatches, batch({ defaults: { machine: "micro" } }))).toBe("");
  });

  const deployed = { labels: { "fairlead.dev/project": "shop" } };

  test("makes, changes and deletes Tasks of deployments, and does not say what their pods are", async () => {
    const spec = { image };
    expect(await tried(api, Tasks, { metadata: deployed, spec })).toBe("");
    expect(await tried(api, Tasks, { spec })).toContain("Tasks of deployments only");
    for (const more of [{ podTemplate: { env: [] } }, { allowOverrides: ["env"] }])
      expect(await tried(api, Tasks, { metadata: deployed, spec: { ...spec, ...more } })).toContain(
        "what the pods",
      );
    const podTemplate = { env: [{ name: "A", value: "b" }] };
    for (const [name, labels] of Object.entries({ ours: deployed.labels, theirs: {} }))
      await admin.create(Tasks, tenant, {
        ...{ apiVersion, kind: "Task", metadata: { name, labels }, spec: { ...spec, podTemplate } },
      } as never);
    const patch = (name: string, body: object) =>
      api.patch(Tasks, tenant, name, { spec: body }, { type: "merge" });
    expect((await patch("ours", { image: "registry.test/i:2" })).spec.image).toBe("registry.test/i:2");
    await expect(patch("ours", { podTemplate: { env: [] } })).rejects.toThrow("what the pods");
    await expect(patch("theirs", { image: "registry.test/i:2" })).rejects.toThrow(
      "Tasks of deployments only",
    );
    await expect(api.delete(Tasks, tenant, "theirs")).rejects.toThrow("Tasks of deployments only");
    expect(await api.delete(Tasks, tenant, "ours")).toBe(true);
  });

  test.each<[string, typeof TaskRuns | typeof TaskBatches, object]>([
    ["a run with a container", TaskRuns, { metadata: { labels } }],
    ["a run with a pod template", TaskRuns, run({ podTemplate: { env: [] } })],
    ["a run that a user would have made", TaskRuns, { metadata: {}, spec: run({}).spec }],
    ["an item with a container", TaskBatches, batch({ items: [{ task: "t" }, { container: { image } }] })],
    ["an item with a pod template", TaskBatches, batch({ items: [{ task: "t", podTemplate: {} }] })],
    ["defaults with a pod template", TaskBatches, batch({ defaults: { podTemplate: {} } })],
    ["a batch that a user would have made", TaskBatches, { metadata: {}, spec: batch({}).spec }],
  ])("does not make %s", async (_, kind, fields) => {
    const message = await tried(api, kind, fields);
    expect(message).toContain("ValidatingAdmissionPolicy");
  });
});

test("nobody else is bound by the policies", async () => {
  expect(await tried(admin, Jobs, withPod({ hostNetwork: true }))).toBe("");
  expect(await tried(admin, TaskRuns, { spec: { container: { image } } })).toBe("");
});
