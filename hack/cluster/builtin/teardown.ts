/**
 * Removes the cluster or one node, from any state: after a clean run, an interrupted start, a kill of
 * everything or a reboot. It touches only what is ours by record, name or path: processes with our records,
 * shims of our sockets, everything in our cgroups, mounts below our folders, namespaces and links with our
 * names.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run, tryRun } from "../../lib/exec.ts";
import { removeCgroup } from "./cgroups.ts";
import { removeNetns } from "./netns.ts";
import { removeHostNetwork } from "./network.ts";
import { nodeProcesses, processName } from "./node.ts";
import { containerdSocket } from "./nodeImages.ts";
import { maxNodes, type NodePlan, planNodes } from "./plan.ts";
import { type ProcessRecord, readRecord, readStartTime, removeRecord, stopProcesses } from "./process.ts";
import type { Cluster } from "./state.ts";

export async function removeCluster(cluster: Cluster): Promise<void> {
  await removeRemains(cluster);
  await removeFolder(cluster.paths.dir);
}

/**
 * Everything but the cluster's folder: all that is in the way of a cluster with the same names in another
 * cache.
 */
export async function removeRemains(cluster: Cluster): Promise<void> {
  const { plan, paths } = cluster;
  const nodes = planNodes(plan, maxNodes);
  await stopAll(cluster, recordNames(cluster), nodes);
  await unmountBelow(paths.dir);
  await unmountBelow(paths.runtime);
  for (const node of nodes) await removeNodeRemains(node);
  await removeNetns(plan.netns);
  await removeHostNetwork(plan);
  removeLogLinks(paths.dir);
  removeKubeletFolder();
  await removeFolder(paths.runtime);
}

/** Removes the node's pods, images and processes; its Node object and its volumes' data are kept. */
export async function removeNode(cluster: Cluster, node: NodePlan): Promise<void> {
  const { paths } = cluster;
  const names = nodeProcesses.map((process) => processName(node, process));
  await stopAll(cluster, names, [node]);
  for (const dir of [paths.node(node.name), paths.nodeRuntime(node.name)]) {
    await unmountBelow(dir);
    await removeFolder(dir);
  }
  await removeNodeRemains(node);
  for (const name of names) removeRecord(paths, name);
}

/**
 * Ends a node as a loss of power does. The cable goes first, so that no connection is closed towards its
 * peer. What is on disk stays: images, volumes, and what kubelet and containerd know of their pods.
 */
export async function killNode(cluster: Cluster, node: NodePlan): Promise<void> {
  const { plan, paths } = cluster;
  await tryRun("ip", ["-n", plan.netns, "link", "delete", node.bridgePort]);
  const names = nodeProcesses.map((process) => processName(node, process));
  await stopAll(cluster, names, [node]);
  for (const name of names) removeRecord(paths, name);
  await unmountBelow(paths.node(node.name));
  await unmountBelow(paths.nodeRuntime(node.name));
  await removeFolder(paths.nodeRuntime(node.name));
  await removeNodeRemains(node);
}

/** Kubelets come first, or they would restart what is being stopped. */
async function stopAll(
  cluster: Cluster,
  names: readonly string[],
  nodes: readonly NodePlan[],
): Promise<void> {
  const records = names
    .map((name) => readRecord(cluster.paths, name))
    .filter((record) => record !== undefined);
  await stopProcesses(records, 0);
  const sockets = nodes.map((node) => containerdSocket(cluster, node));
  await stopProcesses(shims(sockets), 0);
  for (const node of nodes) {
    removeShimSockets(cluster, node);
    await removeCgroup(node.cgroup);
  }
}

function recordNames({ paths }: Cluster): string[] {
  if (!existsSync(paths.records)) return [];
  return readdirSync(paths.records)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length));
}

/**
 * containerd's shims, one a pod, outlive it; their arguments name the socket of the containerd that started
 * them.
 */
function shims(sockets: readonly string[]): ProcessRecord[] {
  const found: ProcessRecord[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const command = readOr(`/proc/${entry}/cmdline`).split("\0");
    const address = command[command.indexOf("-address") + 1] ?? "";
    if (!command[0]?.includes("containerd-shim") || !sockets.includes(address)) continue;
    const startTime = readStartTime(Number(entry));
    if (startTime) found.push({ pid: Number(entry), startTime, spec: "" });
  }
  return found;
}

/**
 * Shim sockets are in a folder that all containerds of a machine share; the task's folder names the task's
 * own.
 */
function removeShimSockets({ paths }: Cluster, node: NodePlan): void {
  const tasks = join(paths.nodeRuntime(node.name), "containerd", "io.containerd.runtime.v2.task", "k8s.io");
  if (!existsSync(tasks)) return;
  for (const task of readdirSync(tasks)) {
    const address = readOr(join(tasks, task, "address")).trim();
    if (address.startsWith("unix:///run/containerd/s/"))
      rmSync(address.slice("unix://".length), { force: true });
  }
}

async function removeNodeRemains(node: NodePlan): Promise<void> {
  await removeNetns(node.netns);
  // The CNI library's results, by network and container.
  for (const dir of ["/var/lib/cni/results", "/var/lib/cni/cache/results"]) {
    if (!existsSync(dir)) continue;
    for (const file of readdirSync(dir)) {
      if (file.startsWith(`${node.netns}-`)) rmSync(join(dir, file), { force: true });
    }
  }
}

/** The last mounted first, until none is left: mounts may be stacked. */
async function unmountBelow(dir: string): Promise<void> {
  for (let round = 0; round < 10; round++) {
    const mounts = mountsBelow(dir, readFileSync("/proc/self/mountinfo", "utf8"));
    if (mounts.length === 0) return;
    for (const mount of mounts) await tryRun("umount", ["--lazy", mount]);
  }
}

/** Mount points at or below a folder, as /proc/self/mountinfo lists them, the last mounted first. */
function mountsBelow(dir: string, mountinfo: string): string[] {
  return mountinfo
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .map((path) =>
      path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((path) => path === dir || path.startsWith(`${dir}/`))
    .reverse();
}

async function removeFolder(dir: string): Promise<void> {
  if (!existsSync(dir)) return;
  const mounts = mountsBelow(dir, readFileSync("/proc/self/mountinfo", "utf8"));
  // A mount may lead to the user's files.
  if (mounts.length > 0)
    throw new Error(`${dir} is not removed: something is still mounted on ${mounts.join(", ")}`);
  await run("rm", ["-rf", "--one-file-system", "--", dir]);
}

/** The kubelet links every container's log in a folder that the whole machine shares. */
function removeLogLinks(dir: string): void {
  const links = "/var/log/containers";
  if (!existsSync(links)) return;
  for (const name of readdirSync(links)) {
    const target = readLink(join(links, name));
    if (target?.startsWith(`${dir}/`)) rmSync(join(links, name), { force: true });
  }
  removeIfEmpty(links);
}

/**
 * A kubelet creates its device plugin socket there, whatever its root folder; kept while another kubelet
 * runs.
 */
function removeKubeletFolder(): void {
  const others = readdirSync("/proc").some(
    (pid) => /^\d+$/.test(pid) && readOr(`/proc/${pid}/comm`) === "kubelet\n",
  );
  if (others) return;
  const dir = "/var/lib/kubelet";
  rmSync(join(dir, "device-plugins", "kubelet.sock"), { force: true });
  rmSync(join(dir, "device-plugins", "DEPRECATION"), { force: true });
  removeIfEmpty(join(dir, "device-plugins"));
  removeIfEmpty(dir);
}

function removeIfEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch {
    // missing, or not empty
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
