/**
 * The control plane: processes in the cluster's own network namespace, started in the order of their
 * dependencies. `ensureProcess` is level-triggered; readiness is read from the health endpoints.
 */
import { join } from "node:path";
import { waitFor } from "../../lib/wait.ts";
import type { Api } from "./api.ts";
import type { Binaries } from "./binary.ts";
import { kubeconfigPath } from "./pki.ts";
import { type Ensured, endedEarly, ensureProcess, type ProcessSpec } from "./process.ts";
import { type Cluster, writeFileAtomic } from "./state.ts";

export const storageClassName = "local-volumes";
const provisioner = "fairlead.dev/local-volumes";

/**
 * The Job controller's defaults (20 requests a second, 5 workers) allow only a few Jobs a second. Benchmarks
 * state these values; bare Jobs and TaskRuns have the same.
 */
export const controllerLimits = { qps: 300, burst: 600, concurrentJobSyncs: 20 };

export const controlPlaneProcesses = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "coredns",
  "local-volumes",
  "kube-proxy",
] as const;
type ControlPlaneProcess = (typeof controlPlaneProcesses)[number];

export async function ensureControlPlane(
  cluster: Cluster,
  binaries: Binaries,
  api: Api,
): Promise<Record<ControlPlaneProcess, Ensured>> {
  const specs = controlPlaneSpecs(cluster, binaries);
  const ensure = (name: ControlPlaneProcess) => ensureProcess(cluster.paths, specs[name]);
  const etcd = await ensure("etcd");
  const apiserver = await ensure("kube-apiserver");
  await waitHealthy(cluster, api, "kube-apiserver", 120_000);
  const [controllers, scheduler, coredns, volumes, proxy] = await Promise.all([
    ensure("kube-controller-manager"),
    ensure("kube-scheduler"),
    ensure("coredns"),
    ensure("local-volumes"),
    ensure("kube-proxy"),
    api.apply(`/apis/storage.k8s.io/v1/storageclasses/${storageClassName}`, storageClass),
  ]);
  return {
    etcd,
    "kube-apiserver": apiserver,
    "kube-controller-manager": controllers,
    "kube-scheduler": scheduler,
    coredns,
    "local-volumes": volumes,
    "kube-proxy": proxy,
  };
}

export async function waitControlPlane(cluster: Cluster, api: Api): Promise<void> {
  await Promise.all(controlPlaneProcesses.map((name) => waitHealthy(cluster, api, name, 60_000)));
  // The first pod of a new cluster is refused without it.
  await waitFor(
    "default service account",
    async () =>
      (await api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")).status === 200,
    { timeoutMs: 60_000 },
  );
}

/**
 * etcd is checked through the API server; the provisioner has no health endpoint and only has to be running.
 */
export async function isHealthy(cluster: Cluster, api: Api, name: ControlPlaneProcess): Promise<boolean> {
  const { server, controlPlaneAddress: address } = cluster.plan;
  switch (name) {
    case "etcd":
      return api.isOk(`${server}/readyz/etcd`);
    case "kube-apiserver":
      return api.isOk(`${server}/readyz`);
    case "kube-controller-manager":
      return api.isOk(`https://${address}:10257/healthz`);
    case "kube-scheduler":
      return api.isOk(`https://${address}:10259/readyz`);
    case "coredns":
      return api.isOk(`http://${address}:8181/ready`);
    case "kube-proxy":
      return api.isOk(`http://${address}:10256/livez`);
    case "local-volumes":
      return endedEarly(cluster.paths, name)() === undefined;
  }
}

async function waitHealthy(
  cluster: Cluster,
  api: Api,
  name: ControlPlaneProcess,
  timeoutMs: number,
): Promise<void> {
  await waitFor(`${name} ready`, () => isHealthy(cluster, api, name), {
    timeoutMs,
    failed: endedEarly(cluster.paths, name),
  });
}

function controlPlaneSpecs(cluster: Cluster, binaries: Binaries): Record<ControlPlaneProcess, ProcessSpec> {
  const { plan, paths } = cluster;
  const pki = (file: string) => join(paths.pki, file);
  const kubeconfig = (client: string) => `--kubeconfig=${kubeconfigPath(paths, client)}`;
  const spec = (name: ControlPlaneProcess, args: string[], inputs?: string[]): ProcessSpec => ({
    name,
    command: binaries.program(name),
    args,
    netns: plan.netns,
    inputs,
  });
  const serving = [
    `--tls-cert-file=${pki("apiserver.crt")}`,
    `--tls-private-key-file=${pki("apiserver.key")}`,
  ];
  const etcdUrl = "http://127.0.0.1:2379";
  return {
    etcd: spec("etcd", [
      `--data-dir=${paths.etcd}`,
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      "--listen-peer-urls=http://127.0.0.1:2380",
      "--log-level=warn",
      "--quota-backend-bytes=8589934592",
      // Durability is not needed: the cluster is recreated after a reboot.
      "--unsafe-no-fsync",
    ]),
    "kube-apiserver": spec("kube-apiserver", [
      `--etcd-servers=${etcdUrl}`,
      `--advertise-address=${plan.controlPlaneAddress}`,
      `--service-cluster-ip-range=${plan.serviceRange}`,
      ...serving,
      `--client-ca-file=${pki("ca.crt")}`,
      `--kubelet-certificate-authority=${pki("ca.crt")}`,
      `--kubelet-client-certificate=${pki("apiserver-to-kubelet.crt")}`,
      `--kubelet-client-key=${pki("apiserver-to-kubelet.key")}`,
      "--kubelet-preferred-address-types=InternalIP",
      `--service-account-key-file=${pki("service-account.pub")}`,
      `--service-account-signing-key-file=${pki("service-account.key")}`,
      "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
      "--authorization-mode=Node,RBAC",
      "--enable-admission-plugins=NodeRestriction",
      "--allow-privileged=true",
    ]),
    "kube-controller-manager": spec("kube-controller-manager", [
      kubeconfig("kube-controller-manager"),
      ...serving,
      `--root-ca-file=${pki("ca.crt")}`,
      `--cluster-signing-cert-file=${pki("ca.crt")}`,
      `--cluster-signing-key-file=${pki("ca.key")}`,
      `--service-account-private-key-file=${pki("service-account.key")}`,
      "--use-service-account-credentials=true",
      "--leader-elect=false",
      `--kube-api-qps=${controllerLimits.qps}`,
      `--kube-api-burst=${controllerLimits.burst}`,
      `--concurrent-job-syncs=${controllerLimits.concurrentJobSyncs}`,
    ]),
    "kube-scheduler": spec("kube-scheduler", [
      kubeconfig("kube-scheduler"),
      ...serving,
      "--leader-elect=false",
    ]),
    coredns: corednsSpec(cluster, spec),
    "local-volumes": spec("local-volumes", [
      `-kubeconfig=${paths.kubeconfig}`,
      `-root=${paths.volumes}`,
      `-provisioner=${provisioner}`,
    ]),
    // Also here, so that the API server (webhooks) and this machine, which routes to here, reach Services.
    "kube-proxy": spec("kube-proxy", kubeProxyArgs(cluster, "node1")),
  };
}

/** The node's name only decides which endpoints are "local"; its addresses are not used. */
export function kubeProxyArgs({ plan, paths }: Cluster, node: string): string[] {
  return [
    `--kubeconfig=${kubeconfigPath(paths, "kube-proxy")}`,
    `--hostname-override=${node}`,
    "--proxy-mode=iptables",
    `--cluster-cidr=${plan.podRange}`,
    // Kernel settings that cannot be written in a network namespace.
    "--conntrack-max-per-core=0",
    "--conntrack-tcp-timeout-established=0s",
    "--conntrack-tcp-timeout-close-wait=0s",
    "--oom-score-adj=0",
  ];
}

function corednsSpec(
  { paths }: Cluster,
  spec: (name: ControlPlaneProcess, args: string[], inputs?: string[]) => ProcessSpec,
): ProcessSpec {
  const text = `.:53 {
  errors
  ready :8181
  cache 10
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${paths.kubeconfig}
    pods insecure
    ttl 5
  }
  # There is no network outside: every other name is unknown, at once.
  template ANY ANY . {
    rcode NXDOMAIN
  }
}
`;
  const file = join(paths.dir, "Corefile");
  writeFileAtomic(file, text);
  return spec("coredns", ["-conf", file], [text]);
}

const storageClass = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: {
    name: storageClassName,
    annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
  },
  provisioner,
  reclaimPolicy: "Delete",
  volumeBindingMode: "Immediate",
};
