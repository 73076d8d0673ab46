/**
 * The state of the built-in cluster between calls, and the paths of its files.
 *
 *   <cache>/cluster[-<name>]/   state.json, admin.kubeconfig, pki/, etcd/, log/, run/ (a record per process),
 *                               volumes/ (of PersistentVolumes), node<N>/ (containerd's and kubelet's files)
 *   /run/<prefix>/              sockets and containerd's run-time state: short paths, emptied by a reboot
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cacheRoot } from "../../lib/paths.ts";
import { ClusterError } from "../provider.ts";
import { type ClusterPlan, clusterName, defaultClusterName, planCluster } from "./plan.ts";

/** Raise it when this code can no longer use the files of an older version. */
export const layoutVersion = 1;

export interface ClusterState {
  layout: number;
  /** A reboot ends every process and empties /run, so the files on disk are of no use after it. */
  bootId: string;
  nodes: number;
  /** Loaded images by name, with their archive, for nodes that are added later. */
  images: Record<string, string>;
}

export interface ClusterPaths {
  dir: string;
  stateFile: string;
  kubeconfig: string;
  pki: string;
  log: string;
  records: string;
  volumes: string;
  etcd: string;
  runtime: string;
  node(name: string): string;
  nodeRuntime(name: string): string;
}

export interface Cluster {
  plan: ClusterPlan;
  paths: ClusterPaths;
}

export function thisCluster(env: NodeJS.ProcessEnv = process.env): Cluster {
  const plan = planCluster(clusterName(env));
  const dir = join(cacheRoot(env), plan.name === defaultClusterName ? "cluster" : `cluster-${plan.name}`);
  if (dir.length > 60) {
    throw new ClusterError(
      `${dir}: is too long, the paths of its sockets would exceed 108 characters; set FAIRLEAD_CACHE to a shorter folder`,
    );
  }
  return { plan, paths: clusterPaths(plan, dir) };
}

/** The cluster of this folder, in any cache. */
export function clusterIn(dir: string): Cluster {
  const plan = planCluster(/^cluster-(.+)$/.exec(basename(dir))?.[1] ?? defaultClusterName);
  return { plan, paths: clusterPaths(plan, dir) };
}

function clusterPaths(plan: ClusterPlan, dir: string): ClusterPaths {
  const runtime = join("/run", plan.netns);
  return {
    dir,
    stateFile: join(dir, "state.json"),
    kubeconfig: join(dir, "admin.kubeconfig"),
    pki: join(dir, "pki"),
    log: join(dir, "log"),
    records: join(dir, "run"),
    volumes: join(dir, "volumes"),
    etcd: join(dir, "etcd"),
    runtime,
    node: (name) => join(dir, name),
    nodeRuntime: (name) => join(runtime, name),
  };
}

export function readState(paths: ClusterPaths): ClusterState | undefined {
  try {
    return JSON.parse(readFileSync(paths.stateFile, "utf8")) as ClusterState;
  } catch {
    return undefined;
  }
}

export function writeState(paths: ClusterPaths, state: ClusterState): void {
  writeFileAtomic(paths.stateFile, `${JSON.stringify(state, null, 2)}\n`);
}

export function currentBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

export function makeFolders(paths: ClusterPaths): void {
  for (const dir of [paths.pki, paths.log, paths.records, paths.volumes, paths.etcd, paths.runtime]) {
    mkdirSync(dir, { recursive: true, mode: 0o755 });
  }
}

export function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o644): void {
  writeFileSync(`${path}.new`, content, { mode });
  renameSync(`${path}.new`, path);
}
