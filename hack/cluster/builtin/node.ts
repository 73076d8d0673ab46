/**
 * One node: a network namespace with its own containerd, kubelet and kube-proxy. Level-triggered, like the
 * control plane. A node that lost its namespace has lost its pods' network: `up` removes and recreates it.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { tryRun } from "../../lib/exec.ts";
import { waitFor } from "../../lib/wait.ts";
import type { ImageArchive } from "../provider.ts";
import type { Api } from "./api.ts";
import type { Binaries } from "./binary.ts";
import { ensureCgroup } from "./cgroups.ts";
import { kubeProxyArgs } from "./controlPlane.ts";
import { containerdSocket, importMissing, pauseImage, snapshotter } from "./nodeImages.ts";
import { ensureNodePki, kubeconfigPath } from "./pki.ts";
import type { NodePlan } from "./plan.ts";
import { type Ensured, endedEarly, ensureProcess } from "./process.ts";
import { type Cluster, writeFileAtomic } from "./state.ts";

const cniPlugins = "/usr/lib/cni";

export const nodeProcesses = ["containerd", "kubelet", "kube-proxy"] as const;
type NodeProcess = (typeof nodeProcesses)[number];

export function processName(node: NodePlan, process: NodeProcess): string {
  return `${node.name}-${process}`;
}

export async function ensureNode(
  cluster: Cluster,
  node: NodePlan,
  binaries: Binaries,
  api: Api,
  images: readonly ImageArchive[],
): Promise<Record<NodeProcess, Ensured>> {
  const { plan, paths } = cluster;
  mkdirSync(join(paths.node(node.name), "cni"), { recursive: true });
  mkdirSync(paths.nodeRuntime(node.name), { recursive: true });
  await ensureNodePki(plan, paths, node);
  ensureCgroup(node.cgroup);
  const pause = pauseImage(cluster, binaries);
  const containerd = await ensureContainerd(cluster, node, pause.ref);
  await importMissing(cluster, node, [pause, ...images]);
  const kubelet = await ensureKubelet(cluster, node, binaries);
  const proxy = await ensureProcess(paths, {
    name: processName(node, "kube-proxy"),
    command: binaries.program("kube-proxy"),
    args: kubeProxyArgs(cluster, node.name),
    netns: node.netns,
  });
  // After a restart the Node object still says Ready from before, so ask the kubelet.
  await waitFor(`${node.name}: kubelet healthy`, () => isNodeProcessHealthy(cluster, api, node, "kubelet"), {
    timeoutMs: 60_000,
    failed: endedEarly(paths, processName(node, "kubelet")),
  });
  return { containerd, kubelet, "kube-proxy": proxy };
}

export interface NodeObject {
  metadata: { name: string };
  spec: { taints?: { key: string }[] };
  status: { conditions?: { type: string; status: string; message?: string; lastHeartbeatTime?: string }[] };
}

/** A new node's taint is removed, and may come back for a moment, from a controller with a stale cache. */
export async function waitNodeReady(
  cluster: Cluster,
  api: Api,
  node: NodePlan,
  { settledMs }: { settledMs: number },
): Promise<void> {
  let seen = "the node has not registered yet";
  let readySince: number | undefined;
  await waitFor(
    `${node.name} Ready`,
    async () => {
      const object = await api.get<NodeObject>(`/api/v1/nodes/${node.name}`);
      const { ready, detail } = readiness(object);
      seen = detail;
      readySince = ready ? (readySince ?? performance.now()) : undefined;
      return readySince !== undefined && performance.now() - readySince >= settledMs;
    },
    {
      timeoutMs: 120_000,
      failed: endedEarly(cluster.paths, processName(node, "kubelet")),
      describe: () => seen,
    },
  );
}

export function readiness(object: NodeObject): { ready: boolean; detail: string } {
  const condition = object.status.conditions?.find(({ type }) => type === "Ready");
  // The taint outlives the node's becoming Ready by a moment, and still keeps pods away.
  const taints = (object.spec.taints ?? [])
    .map(({ key }) => key)
    .filter((key) => /not-ready|unreachable/.test(key));
  if (condition?.status !== "True") return { ready: false, detail: condition?.message ?? "not reported yet" };
  if (taints.length > 0) return { ready: false, detail: `tainted ${taints.join(", ")}` };
  return { ready: true, detail: "Ready" };
}

export async function isNodeProcessHealthy(
  cluster: Cluster,
  api: Api,
  node: NodePlan,
  process: NodeProcess,
): Promise<boolean> {
  switch (process) {
    case "containerd":
      return containerdAnswers(cluster, node);
    case "kubelet":
      return api.isOk(`http://${node.address}:10248/healthz`);
    case "kube-proxy":
      return api.isOk(`http://${node.address}:10256/livez`);
  }
}

async function containerdAnswers(cluster: Cluster, node: NodePlan): Promise<boolean> {
  return (await tryRun("ctr", ["--address", containerdSocket(cluster, node), "version"])).code === 0;
}

async function ensureContainerd(cluster: Cluster, node: NodePlan, pauseRef: string): Promise<Ensured> {
  const { paths } = cluster;
  const [dir, runtime] = [paths.node(node.name), paths.nodeRuntime(node.name)];
  const network = JSON.stringify(cniConfig(node, dir), null, 2);
  mkdirSync(join(dir, "cni", "net.d"), { recursive: true });
  writeFileAtomic(join(dir, "cni", "net.d", "10-bridge.conflist"), network);
  const config = `version = 2
root = "${dir}/containerd"
state = "${runtime}/containerd"
[grpc]
  address = "${containerdSocket(cluster, node)}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseRef}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${cniPlugins}"
    conf_dir = "${dir}/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "${snapshotter(cluster, node)}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
  const file = join(dir, "containerd.toml");
  writeFileAtomic(file, config);
  const name = processName(node, "containerd");
  const ensured = await ensureProcess(paths, {
    name,
    command: "containerd",
    args: ["--config", file],
    netns: node.netns,
    inputs: [config, network],
  });
  if (ensured === "kept") return ensured;
  const answers = () => containerdAnswers(cluster, node);
  await waitFor(`${name} answers`, answers, { timeoutMs: 60_000, failed: endedEarly(paths, name) });
  return ensured;
}

function ensureKubelet(cluster: Cluster, node: NodePlan, binaries: Binaries): Promise<Ensured> {
  const { plan, paths } = cluster;
  const dir = paths.node(node.name);
  const resolvConf = join(dir, "resolv.conf");
  writeFileAtomic(resolvConf, `nameserver ${plan.controlPlaneAddress}\n`);
  const config = JSON.stringify(
    {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      authentication: {
        anonymous: { enabled: false },
        webhook: { enabled: true },
        x509: { clientCAFile: join(paths.pki, "ca.crt") },
      },
      authorization: { mode: "Webhook" },
      clusterDomain: "cluster.local",
      clusterDNS: [plan.controlPlaneAddress],
      resolvConf,
      healthzBindAddress: node.address,
      tlsCertFile: join(paths.pki, `${node.name}.crt`),
      tlsPrivateKeyFile: join(paths.pki, `${node.name}.key`),
      containerRuntimeEndpoint: `unix://${containerdSocket(cluster, node)}`,
      podLogsDir: join(dir, "podlogs"),
      volumePluginDir: join(dir, "volumePlugins"),
      cgroupDriver: "cgroupfs",
      cgroupRoot: `/${node.cgroup}`,
      failCgroupV1: false,
      failSwapOn: false,
      localStorageCapacityIsolation: false,
      oomScoreAdj: 0,
      evictionHard: { "memory.available": "100Mi" },
      imageGCHighThresholdPercent: 100,
      maxPods: 250,
      eventRecordQPS: 0,
      registryPullQPS: 0,
      kubeAPIQPS: 200,
      kubeAPIBurst: 400,
    },
    null,
    2,
  );
  const file = join(dir, "kubelet.json");
  writeFileAtomic(file, config);
  return ensureProcess(paths, {
    name: processName(node, "kubelet"),
    command: binaries.program("kubelet"),
    args: [
      `--config=${file}`,
      `--kubeconfig=${kubeconfigPath(paths, node.name)}`,
      `--hostname-override=${node.name}`,
      `--node-ip=${node.address}`,
      `--root-dir=${join(dir, "kubelet")}`,
      `--cert-dir=${join(dir, "kubelet", "pki")}`,
    ],
    netns: node.netns,
    inputs: [config],
  });
}

function cniConfig(node: NodePlan, dir: string): object {
  return {
    cniVersion: "0.4.0",
    name: node.netns,
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: node.podRange }]],
          routes: [{ dst: "0.0.0.0/0" }],
          dataDir: join(dir, "cni", "addresses"),
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}
