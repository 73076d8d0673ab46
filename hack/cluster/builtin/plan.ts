/**
 * Names and addresses of one built-in cluster, all computed from its name. Pure.
 *
 * Every address is in 198.18.0.0/15, the range reserved for benchmarks, which no real network uses. The
 * cluster named `default` has 198.18.0.0/16, one with another name (FAIRLEAD_CLUSTER) has 198.19.0.0/16, so
 * that two can run:
 *
 *   .0.0/24    nodes: .0.1 the control plane, .0.11 node1, .0.12 node2, …
 *   .1.0/30    the link to the host: .1.1 this machine, .1.2 the control plane's namespace
 *   .64.0/18   pods, a /22 for each node
 *   .128.0/17  Services; .128.1 is the API server's
 */

export const testRange = "198.18.0.0/15";
export const maxNodes = 4;

export interface NodePlan {
  name: string;
  index: number;
  netns: string;
  /** The bridge's end of the node's cable; the node's own end is eth0. */
  bridgePort: string;
  address: string;
  podRange: string;
  /** Relative to the root of each cgroup hierarchy. */
  cgroup: string;
}

export interface ClusterPlan {
  name: string;
  netns: string;
  /** Interface on the host. */
  hostLink: string;
  range: string;
  hostAddress: string;
  hostLinkAddress: string;
  controlPlaneAddress: string;
  podRange: string;
  serviceRange: string;
  apiServiceAddress: string;
  server: string;
}

export const defaultClusterName = "default";

/** The cluster's name, from FAIRLEAD_CLUSTER. */
export function clusterName(env: NodeJS.ProcessEnv = process.env): string {
  const name = env.FAIRLEAD_CLUSTER || defaultClusterName;
  if (!/^[a-z][a-z0-9]{0,15}$/.test(name) || /^node\d*$/.test(name)) {
    throw new Error(
      `FAIRLEAD_CLUSTER=${name}: up to 16 lower-case letters and digits, a letter first, and not "node…"`,
    );
  }
  return name;
}

export function planCluster(name: string): ClusterPlan {
  const slot = name === defaultClusterName ? 0 : 1;
  const base = `198.${18 + slot}`;
  return {
    name,
    netns: prefix(name),
    hostLink: `fairlead${slot}`,
    range: `${base}.0.0/16`,
    hostAddress: `${base}.1.1`,
    hostLinkAddress: `${base}.1.2`,
    controlPlaneAddress: `${base}.0.1`,
    podRange: `${base}.64.0/18`,
    serviceRange: `${base}.128.0/17`,
    apiServiceAddress: `${base}.128.1`,
    server: `https://${base}.0.1:6443`,
  };
}

export function planNode(cluster: ClusterPlan, index: number): NodePlan {
  if (!Number.isInteger(index) || index < 1 || index > maxNodes) {
    throw new Error(`node ${index}: a built-in cluster has 1 to ${maxNodes} nodes`);
  }
  const base = cluster.range.split(".").slice(0, 2).join(".");
  const name = `node${index}`;
  return {
    name,
    index,
    netns: `${cluster.netns}-${name}`,
    bridgePort: `v-${name}`,
    address: `${base}.0.${10 + index}`,
    podRange: `${base}.${64 + 4 * (index - 1)}.0/22`,
    cgroup: `${cluster.netns}-${name}`,
  };
}

export function planNodes(cluster: ClusterPlan, count: number): NodePlan[] {
  return Array.from({ length: count }, (_, i) => planNode(cluster, i + 1));
}

function prefix(name: string): string {
  return name === defaultClusterName ? "fairlead" : `fairlead-${name}`;
}
