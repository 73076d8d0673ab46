/**
 * The kind "a field of a pod": every one of Kubernetes 1.34's that gives more than its creator has is refused
 * by its name. That what is accepted passes Pod Security `restricted` is in test/contract/podPolicy.test.ts.
 */
import { describe, expect, test } from "vitest";
import type { TaskRun, TaskSpec } from "../model/resources.ts";
import { explainRefusals, refusalsOfRun, refusalsOfTask } from "./podPolicy.ts";
import { type PodPolicy, podPolicySettings, policyIn } from "./podPolicySettings.ts";
import type { PinnedTask } from "./program.ts";

const runWith = (spec: object): TaskRun =>
  ({ metadata: { name: "x", namespace: "team", uid: "u" }, spec }) as unknown as TaskRun;
const withTemplate = (podTemplate: object) => runWith({ container: { image: "i" }, podTemplate });
const withContainer = (container: object) => runWith({ container: { image: "i", ...container } });
const policyOf = (values: object = {}, namespace = "team"): PodPolicy =>
  policyIn(namespace, { podPolicy: podPolicySettings.parse(values), namespace: "fairlead" });
const fieldsOf = (run: TaskRun, policy = policyOf(), task?: PinnedTask): string[] =>
  refusalsOfRun(run, task, policy).map(({ field }) => field);

const volume = (source: object) => ({ volumes: [{ name: "v", ...source }] });
const envOf = (valueFrom: object) => ({ env: [{ name: "X", valueFrom }] });
const projected = (source: object) => volume({ projected: { sources: [source] } });
const affinityOf = (term: object) => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: "kubernetes.io/hostname", ...term }],
    },
  },
});
const nodeAffinityOf = (term: object) => ({
  affinity: {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } },
  },
});

/** What no pod of a run has, whatever it holds. */
const unknownFields = {
  hostNetwork: true,
  hostPID: true,
  hostIPC: true,
  hostUsers: true,
  hostAliases: [{ ip: "10.0.0.1", hostnames: ["db"] }],
  hostname: "x",
  hostnameOverride: "x",
  subdomain: "x",
  setHostnameAsFQDN: true,
  shareProcessNamespace: true,
  nodeName: "control-plane",
  schedulerName: "mine",
  serviceAccount: "admin",
  automountServiceAccountToken: true,
  priority: 2_000_000_000,
  preemptionPolicy: "PreemptLowerPriority",
  initContainers: [{ name: "i", image: "i" }],
  ephemeralContainers: [{ name: "i", image: "i" }],
  containers: [{ name: "i", image: "i" }],
  dnsPolicy: "None",
  dnsConfig: { nameservers: ["10.0.0.1"] },
  restartPolicy: "Always",
  activeDeadlineSeconds: 1,
  enableServiceLinks: true,
  readinessGates: [{ conditionType: "x" }],
  schedulingGates: [{ name: "x" }],
  resourceClaims: [{ name: "x" }],
  overhead: { cpu: "1" },
  os: { name: "windows" },
  topologySpreadConstraints: [{ maxSkew: 1 }],
  finalizers: ["x/y"],
  ownerReferences: [{ kind: "Node" }],
  constructor: { name: "x" },
  __proto__x: {},
};

/** In a container, too. */
const unknownContainerFields = {
  securityContext: { privileged: true },
  ports: [{ containerPort: 80, hostPort: 80 }],
  volumeDevices: [{ name: "v", devicePath: "/dev/x" }],
  volumeMounts: [{ name: "v", mountPath: "/x" }],
  lifecycle: { postStart: { exec: { command: ["x"] } } },
  livenessProbe: { exec: { command: ["x"] } },
  readinessProbe: { httpGet: { host: "169.254.169.254", port: 80 } },
  startupProbe: { tcpSocket: { port: 80 } },
  stdin: true,
  tty: true,
  terminationMessagePath: "/etc/passwd",
  terminationMessagePolicy: "File",
  restartPolicy: "Always",
  resizePolicy: [],
  name: "x",
};

const volumeTypes = [
  ..."awsElasticBlockStore azureDisk azureFile cephfs cinder csi ephemeral fc flexVolume flocker".split(" "),
  ..."gcePersistentDisk gitRepo glusterfs hostPath image iscsi nfs photonPersistentDisk portworxVolume".split(
    " ",
  ),
  ..."quobyte rbd scaleIO storageos vsphereVolume".split(" "),
];

const refusedTemplates: [field: string, template: object][] = [
  ...Object.entries(unknownFields).map(([key, value]): [string, object] => [key, { [key]: value }]),
  ...volumeTypes.map((type): [string, object] => [`volumes[0].${type}`, volume({ [type]: {} })]),
  ["volumes[0].secret.secretName", volume({ secret: { secretName: "db" } })],
  ["volumes[0].configMap.name", volume({ configMap: { name: "settings" } })],
  ["volumes[0].persistentVolumeClaim.claimName", volume({ persistentVolumeClaim: { claimName: "data" } })],
  ["volumes[0].emptyDir.medium", volume({ emptyDir: { medium: "HugePages" } })],
  ["volumes[0].emptyDir.sizeLimit", volume({ emptyDir: { sizeLimit: "1Ti" } })],
  ["volumes[0].hostPath", { volumes: [{ name: "v", emptyDir: {}, hostPath: { path: "/" } }] }],
  ["volumes[0].name", { volumes: [{ name: "fairlead-token", emptyDir: {} }] }],
  ["volumes[0].projected.sources[0].serviceAccountToken", projected({ serviceAccountToken: { path: "t" } })],
  [
    "volumes[0].projected.sources[0].serviceAccountToken.audience",
    projected({ serviceAccountToken: { path: "t", audience: "sts.amazonaws.com" } }),
  ],
  ["volumes[0].projected.sources[0].clusterTrustBundle", projected({ clusterTrustBundle: { path: "x" } })],
  ["volumes[0].projected.sources[0].podCertificate", projected({ podCertificate: { keyType: "x" } })],
  ["volumes[0].projected.sources[0].secret.name", projected({ secret: { name: "db" } })],
  ["volumes[0].projected.sources[0].configMap.name", projected({ configMap: { name: "x" } })],
  [
    "volumeMounts[0].mountPropagation",
    { volumeMounts: [{ name: "v", mountPath: "/x", mountPropagation: "Bidirectional" }] },
  ],
  ["volumeMounts[0].name", { volumeMounts: [{ name: "fairlead-token", mountPath: "/x" }] }],
  ["env[0].valueFrom.secretKeyRef.name", envOf({ secretKeyRef: { name: "db", key: "k" } })],
  ["env[0].valueFrom.configMapKeyRef.name", envOf({ configMapKeyRef: { name: "x", key: "k" } })],
  ["env[0].valueFrom.fileKeyRef", envOf({ fileKeyRef: { path: "x", key: "k", volumeName: "v" } })],
  ["envFrom[0].secretRef.name", { envFrom: [{ secretRef: { name: "db" } }] }],
  ["envFrom[0].configMapRef.name", { envFrom: [{ configMapRef: { name: "x" } }] }],
  ["envFrom[0].prefix", { envFrom: [{ prefix: 1 }] }],
  ["imagePullSecrets[0].name", { imagePullSecrets: [{ name: "registry" }] }],
  ["serviceAccountName", { serviceAccountName: "default" }],
  ["priorityClassName", { priorityClassName: "system-node-critical" }],
  ["priorityClassName", { priorityClassName: "high" }],
  ["runtimeClassName", { runtimeClassName: "kata" }],
  ["tolerations[0].key", { tolerations: [{ operator: "Exists" }] }],
  ["tolerations[0].key", { tolerations: [{ key: "", operator: "Exists" }] }],
  ["tolerations[0].key", { tolerations: [{ key: "node-role.kubernetes.io/control-plane" }] }],
  ["securityContext.runAsUser", { securityContext: { runAsUser: 0 } }],
  ["securityContext.runAsUser", { securityContext: { runAsUser: "0" } }],
  ["securityContext.runAsUser", { securityContext: { runAsUser: -1 } }],
  ["securityContext.runAsNonRoot", { securityContext: { runAsNonRoot: false } }],
  ["securityContext.seccompProfile.type", { securityContext: { seccompProfile: { type: "Unconfined" } } }],
  ["securityContext.appArmorProfile.type", { securityContext: { appArmorProfile: { type: "Unconfined" } } }],
  ["securityContext.seLinuxOptions", { securityContext: { seLinuxOptions: { type: "spc_t" } } }],
  ["securityContext.seLinuxChangePolicy", { securityContext: { seLinuxChangePolicy: "Recursive" } }],
  ["securityContext.sysctls", { securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] } }],
  ["securityContext.windowsOptions", { securityContext: { windowsOptions: { hostProcess: true } } }],
  ["securityContext.privileged", { securityContext: { privileged: true } }],
  ["securityContext.capabilities", { securityContext: { capabilities: { add: ["SYS_ADMIN"] } } }],
  ["securityContext.procMount", { securityContext: { procMount: "Unmasked" } }],
  ['labels["app.kubernetes.io/name"]', { labels: { "app.kubernetes.io/name": "api" } }],
  ['labels["fairlead.dev/run"]', { labels: { "fairlead.dev/run": "x" } }],
  ['labels["azure.workload.identity/use"]', { labels: { "azure.workload.identity/use": "true" } }],
  ['annotations["sidecar.istio.io/inject"]', { annotations: { "sidecar.istio.io/inject": "false" } }],
  ['annotations["iam.amazonaws.com/role"]', { annotations: { "iam.amazonaws.com/role": "admin" } }],
  [
    'annotations["container.apparmor.security.beta.kubernetes.io/main"]',
    { annotations: { "container.apparmor.security.beta.kubernetes.io/main": "unconfined" } },
  ],
  ['resources.limits["memory"]', { resources: { limits: { memory: "65Gi" } } }],
  ['resources.requests["cpu"]', { resources: { requests: { cpu: 17 } } }],
  ['resources.requests["cpu"]', { resources: { requests: { cpu: "-1" } } }],
  ['resources.limits["ephemeral-storage"]', { resources: { limits: { "ephemeral-storage": "1Ti" } } }],
  ['resources.limits["nvidia.com/gpu"]', { resources: { limits: { "nvidia.com/gpu": "9" } } }],
  ['resources.limits["example.com/fpga"]', { resources: { limits: { "example.com/fpga": "1" } } }],
  ['resources.limits["hugepages-2Mi"]', { resources: { limits: { "hugepages-2Mi": "2Mi" } } }],
  ['resources.limits["constructor"]', { resources: { limits: { constructor: "1" } } }],
  ["resources.claims", { resources: { claims: [{ name: "gpu" }] } }],
  [
    "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespaces",
    affinityOf({ namespaces: ["other"] }),
  ],
  [
    "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespaceSelector",
    affinityOf({ namespaceSelector: {} }),
  ],
  [
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields",
    nodeAffinityOf({ matchFields: [{ key: "metadata.name", operator: "In", values: ["control-plane"] }] }),
  ],
  ["volumes", { volumes: { name: "v" } }],
  ["securityContext", { securityContext: [] }],
];

test.each(refusedTemplates)("a pod template is refused for its %s", (field, template) => {
  const path = `spec.podTemplate.${field}`;
  expect(fieldsOf(withTemplate(template))).toContain(path);
  const task = { image: "i", podTemplate: template } as TaskSpec;
  expect(refusalsOfTask(task, policyOf()).map((refusal) => refusal.field)).toContain(path);
  const pinned: PinnedTask = { name: "t", id: "t", spec: task };
  expect(fieldsOf(runWith({ task: "t" }), policyOf(), pinned)).toContain(`Task t: ${path}`);
});

test.each(Object.entries(unknownContainerFields))("a container is refused for its %s", (key, value) => {
  expect(fieldsOf(withContainer({ [key]: value }))).toEqual([`spec.container.${key}`]);
});

test.each<[field: string, container: object]>([
  ["env[0].valueFrom.secretKeyRef.name", envOf({ secretKeyRef: { name: "db", key: "k" } })],
  ["envFrom[0].secretRef.name", { envFrom: [{ secretRef: { name: "db" } }] }],
  ["imagePullPolicy", { imagePullPolicy: "Sometimes" }],
  ['resources.limits["memory"]', { resources: { limits: { memory: "1Ti" } } }],
])("a container is refused for its %s as a template is", (field, container) => {
  expect(fieldsOf(withContainer(container))).toEqual([`spec.container.${field}`]);
});

test.each<[field: string, spec: object]>([
  ["maxDurationSeconds", { maxDurationSeconds: 604_801 }],
  ["machine", { machine: "large-2x" }],
  ["retry.outOfMemory.machine", { retry: { outOfMemory: { machine: "large-2x" } } }],
])("a run and a Task are refused for their %s above the ceiling", (field, spec) => {
  const policy = policyOf({ max: { cpu: "16", memory: "8Gi" } });
  expect(fieldsOf(runWith({ container: { image: "i" }, ...spec }), policy)).toEqual([`spec.${field}`]);
  expect(refusalsOfTask({ image: "i", ...spec } as TaskSpec, policy)[0]?.field).toBe(`spec.${field}`);
});

const allowed: [title: string, values: object, template: object][] = [
  ["a Secret by its whole name", { secrets: ["db"] }, { envFrom: [{ secretRef: { name: "db" } }] }],
  ["a Secret by how its name begins", { secrets: ["app-*"] }, volume({ secret: { secretName: "app-db" } })],
  ["a Secret that is named for tasks", {}, envOf({ secretKeyRef: { name: "fairlead-task-db", key: "k" } })],
  ["the namespace's variables", {}, { envFrom: [{ secretRef: { name: "fairlead-env" } }] }],
  ["a ConfigMap", { configMaps: ["*"] }, volume({ configMap: { name: "x" } })],
  ["a claim", { persistentVolumeClaims: ["data"] }, volume({ persistentVolumeClaim: { claimName: "data" } })],
  ["a pull secret", { secrets: ["registry"] }, { imagePullSecrets: [{ name: "registry" }] }],
  ["a service account", { serviceAccounts: ["worker"] }, { serviceAccountName: "worker" }],
  ["a priority", { priorityClasses: ["batch-*"] }, { priorityClassName: "batch-low" }],
  [
    "a system priority",
    { priorityClasses: ["system-node-critical"] },
    { priorityClassName: "system-node-critical" },
  ],
  ["a runtime", { runtimeClasses: ["nvidia"] }, { runtimeClassName: "nvidia" }],
  ["a toleration", { tolerationKeys: ["gpu"] }, { tolerations: [{ key: "gpu", operator: "Exists" }] }],
  ["every toleration", { tolerationKeys: ["*"] }, { tolerations: [{ operator: "Exists" }] }],
  ["a device", { max: { "example.com/fpga": "1" } }, { resources: { limits: { "example.com/fpga": 1 } } }],
  ["root", { runAsRoot: true }, { securityContext: { runAsUser: 0, runAsNonRoot: false } }],
  ["a volume type", { volumeTypes: ["nfs"] }, volume({ nfs: { server: "s", path: "/" } })],
  ["an annotation", { annotationKeys: ["example.com/*"] }, { annotations: { "example.com/team": "x" } }],
  ["labels without a prefix", {}, { labels: { team: "x" }, annotations: { note: "y" } }],
  [
    "a token for the cloud",
    { tokenAudiences: ["sts.amazonaws.com"] },
    projected({ serviceAccountToken: { path: "t", audience: "sts.amazonaws.com" } }),
  ],
  [
    "placement",
    {},
    {
      nodeSelector: { "kubernetes.io/arch": "arm64" },
      ...nodeAffinityOf({ matchExpressions: [{ key: "gpu", operator: "Exists" }] }),
    },
  ],
];

test.each(allowed)("values allow %s", (_title, values, template) => {
  expect(refusalsOfRun(withTemplate(template), undefined, policyOf(values))).toEqual([]);
  expect(
    refusalsOfRun(withTemplate(template), undefined, policyOf({ namespaces: { team: values } })),
  ).toEqual([]);
});

test("what values allow in one namespace is not allowed in another", () => {
  const values = { namespaces: { other: { serviceAccounts: ["worker"] } } };
  expect(fieldsOf(withTemplate({ serviceAccountName: "worker" }), policyOf(values))).toHaveLength(1);
});

test("no pattern stands for a system priority, for Fairlead's audience, or for keys of Kubernetes", () => {
  const policy = policyOf({
    priorityClasses: ["*"],
    tokenAudiences: ["*"],
    labelKeys: ["*"],
    annotationKeys: ["*"],
  });
  expect(fieldsOf(withTemplate({ priorityClassName: "system-cluster-critical" }), policy)).toHaveLength(1);
  const token = projected({ serviceAccountToken: { path: "t", audience: "fairlead" } });
  expect(fieldsOf(withTemplate(token), policy)).toHaveLength(1);
  const key = { "batch.kubernetes.io/job-name": "x" };
  expect(fieldsOf(withTemplate({ labels: key, annotations: key }), policy)).toHaveLength(2);
});

describe("a run of a Task", () => {
  const task = (allowOverrides?: string[]): PinnedTask =>
    ({ name: "t", id: "t", spec: { image: "i", allowOverrides } }) as PinnedTask;
  const run = (podTemplate: object) => runWith({ task: "t", podTemplate });
  const guarded: Record<string, unknown> = {
    labels: { a: "b" },
    annotations: { a: "b" },
    serviceAccountName: "worker",
    imagePullSecrets: [],
    priorityClassName: "p",
    runtimeClassName: "r",
    securityContext: {},
    readOnlyRootFilesystem: false,
    volumes: [],
    volumeMounts: [],
    env: [{ name: "NODE_OPTIONS", value: "--import=data:x" }],
    envFrom: [],
  };
  const open = policyOf({ serviceAccounts: ["*"], priorityClasses: ["*"], runtimeClasses: ["*"] });

  test.each(Object.entries(guarded))("may set %s only if the Task allows it", (key, value) => {
    expect(fieldsOf(run({ [key]: value }), open, task())).toEqual([`spec.podTemplate.${key}`]);
    expect(fieldsOf(run({ [key]: value }), open, task([key]))).toEqual([]);
    const [refusal] = refusalsOfRun(run({ [key]: value }), task(), open);
    expect(refusal?.setting).toBe("spec.allowOverrides of the Task");
  });

  test("may say where it runs and how large it is", () => {
    const template = {
      nodeSelector: { a: "b" },
      resources: { limits: { memory: "1Gi" } },
      terminationGracePeriodSeconds: 1,
    };
    expect(fieldsOf(run(template), open, task())).toEqual([]);
  });
});

test.each(["fairlead", "kube-system", "kube-public"])("namespace %s executes nothing", (namespace) => {
  const [refusal] = refusalsOfRun(withContainer({}), undefined, policyOf({}, namespace));
  expect(refusal).toMatchObject({ field: "metadata.namespace", problem: expect.stringContaining(namespace) });
  const opened = policyOf({ releaseNamespace: true, closedNamespaces: [] }, namespace);
  expect(refusalsOfRun(withContainer({}), undefined, opened)).toEqual([]);
});

test("a message names the fields, what is wrong, and what can allow it", () => {
  const refusals = refusalsOfRun(
    withTemplate({ serviceAccountName: "admin", hostNetwork: true }),
    undefined,
    policyOf(),
  );
  expect(explainRefusals(refusals)).toBe(
    'spec.podTemplate.serviceAccountName: service account "admin" is not allowed (allowed: none) (podPolicy.serviceAccounts can allow it); spec.podTemplate.hostNetwork: is not something that a run\'s pod may have (leave it out).',
  );
});
