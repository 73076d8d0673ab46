/**
 * The network. Level-triggered: each call creates what is missing and keeps the rest.
 *
 *   host ── veth ── [control plane's namespace: bridge br0] ── veth ── [node1] ── cni0 ── pods
 *                                                           └─ veth ── [node2] ── cni0 ── pods
 *
 * Nothing leaves the machine: the host has an unreachable route for the whole test range before the first
 * packet is sent, and the control plane's namespace, where every node's default route ends, has no default
 * route itself.
 */
import { existsSync } from "node:fs";
import { run, tryRun } from "../../lib/exec.ts";
import { ClusterError } from "../provider.ts";
import { ensureNetns, ip, linkExists, sysctl } from "./netns.ts";
import { type ClusterPlan, type NodePlan, planCluster, testRange } from "./plan.ts";

const bridge = "br0";

/**
 * The folder of the cluster that owns the host's link; recorded on the link itself, so that both are removed
 * together.
 */
export async function linkOwner(plan: ClusterPlan): Promise<string | undefined> {
  const { code, stdout } = await tryRun("ip", ["-j", "link", "show", "dev", plan.hostLink]);
  if (code !== 0) return undefined;
  const [link] = JSON.parse(stdout) as { ifalias?: string }[];
  return link?.ifalias ?? "";
}

export async function ensureControlPlaneNetwork(plan: ClusterPlan, owner: string): Promise<void> {
  await ensureHostRange(plan);
  await ensureNetns(plan.netns);
  await ip(plan.netns, "link", "set", "lo", "up");
  if (!(await linkExists(plan.netns, bridge))) await ip(plan.netns, "link", "add", bridge, "type", "bridge");
  await ip(plan.netns, "address", "replace", `${plan.controlPlaneAddress}/24`, "dev", bridge);
  await ip(plan.netns, "link", "set", bridge, "up");
  if (!(await linkExists(undefined, plan.hostLink)) || !(await linkExists(plan.netns, "eth0"))) {
    await tryRun("ip", ["link", "delete", plan.hostLink]);
    const peer = ["peer", "name", "eth0", "netns", plan.netns];
    await ip(undefined, "link", "add", plan.hostLink, "type", "veth", ...peer);
  }
  await ip(undefined, "link", "set", "dev", plan.hostLink, "alias", owner);
  await ip(undefined, "address", "replace", `${plan.hostAddress}/30`, "dev", plan.hostLink);
  await ip(undefined, "link", "set", plan.hostLink, "up");
  await ip(plan.netns, "address", "replace", `${plan.hostLinkAddress}/30`, "dev", "eth0");
  await ip(plan.netns, "link", "set", "eth0", "up");
  const route = [plan.range, "via", plan.hostLinkAddress, "dev", plan.hostLink];
  await ip(undefined, "route", "replace", ...route);
  await sysctl(plan.netns, "net.ipv4.ip_forward=1");
}

export async function ensureNodeNetwork(plan: ClusterPlan, node: NodePlan): Promise<void> {
  await ensureNetns(node.netns);
  await ip(node.netns, "link", "set", "lo", "up");
  const cable = (await linkExists(plan.netns, node.bridgePort)) && (await linkExists(node.netns, "eth0"));
  if (!cable) {
    await tryRun("ip", ["-n", plan.netns, "link", "delete", node.bridgePort]);
    await tryRun("ip", ["-n", node.netns, "link", "delete", "eth0"]);
    const peer = ["peer", "name", "eth0", "netns", node.netns];
    await ip(plan.netns, "link", "add", node.bridgePort, "type", "veth", ...peer);
  }
  await ip(plan.netns, "link", "set", node.bridgePort, "master", bridge, "up");
  await ip(node.netns, "address", "replace", `${node.address}/24`, "dev", "eth0");
  await ip(node.netns, "link", "set", "eth0", "up");
  await ip(node.netns, "route", "replace", "default", "via", plan.controlPlaneAddress);
  await ip(plan.netns, "route", "replace", node.podRange, "via", node.address);
  await sysctl(node.netns, "net.ipv4.ip_forward=1");
  // When a pod calls a Service of a pod on its own node, the answer must also pass the node's address
  // translation.
  if (!existsSync("/proc/sys/net/bridge")) await tryRun("modprobe", ["br_netfilter"]);
  if (existsSync("/proc/sys/net/bridge")) await sysctl(node.netns, "net.bridge.bridge-nf-call-iptables=1");
}

/** Removes the host's link; the range stays unreachable while another cluster of ours exists. */
export async function removeHostNetwork(plan: ClusterPlan): Promise<void> {
  await tryRun("ip", ["link", "delete", plan.hostLink]);
  const others = ["default", "other"].map((name) => planCluster(name).hostLink);
  for (const link of others) if (await linkExists(undefined, link)) return;
  await tryRun("ip", ["route", "delete", "unreachable", testRange]);
}

/** Makes every address of the test range unreachable that is in no cluster; comes before everything else. */
async function ensureHostRange(plan: ClusterPlan): Promise<void> {
  const { stdout } = await run("ip", ["-4", "-o", "route", "show", "root", testRange]);
  const foreign = stdout
    .split("\n")
    .filter((line) => line && !line.startsWith("unreachable") && !/ dev fairlead[01]\b/.test(line));
  if (foreign.length > 0) {
    throw new ClusterError(
      `this machine already routes a part of ${testRange} (${foreign[0]?.trim()}), which the built-in cluster ` +
        `needs for itself; remove that route (a VPN or proxy?), or use CLUSTER=kind or CLUSTER=current`,
    );
  }
  const link = stdout.split("\n").find((line) => line.startsWith(`${plan.range} `));
  if (link && !link.includes(` dev ${plan.hostLink}`)) {
    throw new ClusterError(`${plan.range} is already routed elsewhere: ${link}`);
  }
  await ip(undefined, "route", "replace", "unreachable", testRange);
}
