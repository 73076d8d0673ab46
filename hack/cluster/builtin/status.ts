/** The state of the built-in cluster: every process by its record and its health endpoint. */
import { existsSync } from "node:fs";
import type { ClusterStatus, ComponentStatus } from "../provider.ts";
import { Api } from "./api.ts";
import { versions } from "./binary.ts";
import { controllerLimits, controlPlaneProcesses, isHealthy, storageClassName } from "./controlPlane.ts";
import { isNodeProcessHealthy, type NodeObject, nodeProcesses, processName, readiness } from "./node.ts";
import { planNodes } from "./plan.ts";
import { isAlive, logPath, readRecord } from "./process.ts";
import { type Cluster, currentBootId, readState } from "./state.ts";

export async function builtInStatus(cluster: Cluster): Promise<ClusterStatus> {
  const { plan, paths } = cluster;
  const state = readState(paths);
  const status: ClusterStatus = {
    provider: "built-in",
    running: false,
    nodes: [],
    components: [],
    versions,
    notes: [],
  };
  if (!state || !existsSync(paths.kubeconfig)) return status;
  if (state.bootId !== currentBootId()) {
    status.notes.push("The machine was rebooted since: `up` recreates the cluster");
    return status;
  }
  const nodes = planNodes(plan, state.nodes);
  const api = new Api(plan, paths);
  try {
    status.components = await Promise.all([
      ...controlPlaneProcesses.map((name) => component(cluster, name, () => isHealthy(cluster, api, name))),
      ...nodes.flatMap((node) =>
        nodeProcesses.map((name) =>
          component(cluster, processName(node, name), () => isNodeProcessHealthy(cluster, api, node, name)),
        ),
      ),
    ]);
    const objects = await api.get<{ items: NodeObject[] }>("/api/v1/nodes").catch(() => ({ items: [] }));
    status.nodes = nodes.map(({ name }) => {
      const object = objects.items.find(({ metadata }) => metadata.name === name);
      return {
        name,
        ...(object ? readiness(object) : { ready: false, detail: "not known to the API server" }),
      };
    });
  } finally {
    api.close();
  }
  const wrong = status.components.filter(({ healthy }) => !healthy);
  status.running = wrong.length === 0 && status.nodes.every(({ ready }) => ready);
  status.notes.push(
    `API server ${plan.server}; pods ${plan.podRange}, Services ${plan.serviceRange}: both reachable from this machine`,
    `default StorageClass ${storageClassName}; volumes in ${paths.volumes}`,
    `controller manager: kube-api-qps ${controllerLimits.qps}, burst ${controllerLimits.burst}, ` +
      `concurrent-job-syncs ${controllerLimits.concurrentJobSyncs}`,
    `logs in ${paths.log}`,
  );
  if (wrong.length > 0) status.notes.push("`npm run cluster -- up` restarts what has ended");
  return status;
}

async function component(
  cluster: Cluster,
  name: string,
  healthy: () => Promise<boolean>,
): Promise<ComponentStatus> {
  const record = readRecord(cluster.paths, name);
  if (!record || !isAlive(record)) {
    return { name, healthy: false, detail: `not running; ${logPath(cluster.paths, name)}` };
  }
  const ok = await healthy();
  const detail = ok ? "healthy" : `not healthy; ${logPath(cluster.paths, name)}`;
  return { name, pid: record.pid, healthy: ok, detail };
}
