/**
 * The built-in cluster: real Kubernetes components as processes of this machine, nodes as network namespaces.
 * `up` is level-triggered: it keeps what runs and starts what does not. It recreates the cluster, and says
 * so, only when what exists cannot be used: after a reboot, with files of an older version, without its
 * network namespace.
 */
import { existsSync } from "node:fs";
import { withLock } from "../../lib/lock.ts";
import { say, seconds, step } from "../../lib/progress.ts";
import {
  type ClusterAccess,
  ClusterError,
  type ClusterProvider,
  type ClusterStatus,
  type ImageArchive,
  type LoadedImage,
} from "../provider.ts";
import { Api } from "./api.ts";
import { type Binaries, clusterBinaries } from "./binary.ts";
import { ensureControlPlane, waitControlPlane } from "./controlPlane.ts";
import { netnsExists, netnsPids } from "./netns.ts";
import { ensureControlPlaneNetwork, ensureNodeNetwork, linkOwner } from "./network.ts";
import { ensureNode, processName, waitNodeReady } from "./node.ts";
import { importMissing, rememberedImages, rememberImages } from "./nodeImages.ts";
import { ensurePackages, type PackagedCommand } from "./packages.ts";
import { ensurePki } from "./pki.ts";
import { maxNodes, planNodes } from "./plan.ts";
import { type Ensured, readRecord } from "./process.ts";
import {
  type Cluster,
  type ClusterState,
  clusterIn,
  currentBootId,
  layoutVersion,
  makeFolders,
  readState,
  thisCluster,
  writeState,
} from "./state.ts";
import { builtInStatus } from "./status.ts";
import { killNode, removeCluster, removeNode, removeRemains } from "./teardown.ts";

const packages: PackagedCommand[] = [
  { command: "containerd", package: "containerd" },
  { command: "runc", package: "runc" },
  { command: "/usr/lib/cni/bridge", package: "containernetworking-plugins" },
  { command: "iptables", package: "iptables" },
  { command: "ip", package: "iproute2" },
  { command: "conntrack", package: "conntrack" },
  { command: "socat", package: "socat" },
  { command: "sysctl", package: "procps" },
  { command: "openssl", package: "openssl" },
];

export class BuiltInCluster implements ClusterProvider {
  readonly name = "built-in";
  readonly #cluster: Cluster = thisCluster();

  up({ nodes }: { nodes?: number }): Promise<ClusterAccess> {
    if (nodes !== undefined && (nodes < 1 || nodes > maxNodes)) {
      throw new ClusterError(`--nodes ${nodes}: a built-in cluster has 1 to ${maxNodes} nodes`);
    }
    return this.#locked(async () => {
      const started = performance.now();
      await ensurePackages(packages);
      const binaries = await clusterBinaries();
      const state = await this.#usableState(nodes);
      const changed = await this.#ensure(binaries, state);
      say(
        `Built-in cluster "${this.#cluster.plan.name}" is up: ${summary(state, changed)}, in ${seconds(performance.now() - started)}`,
      );
      return this.access();
    });
  }

  down(): Promise<void> {
    return this.#locked(async () => {
      await this.#removeDeadOwner();
      const { plan, paths } = this.#cluster;
      const remains = existsSync(paths.dir) || existsSync(paths.runtime) || netnsExists(plan.netns);
      if (!remains) return say("There is no built-in cluster; nothing to do");
      await step("Removing the built-in cluster", () => removeCluster(this.#cluster));
    });
  }

  status(): Promise<ClusterStatus> {
    return builtInStatus(this.#cluster);
  }

  loadImages(archives: readonly ImageArchive[]): Promise<LoadedImage[]> {
    return this.#locked(async () => {
      const state = readState(this.#cluster.paths);
      if (!state) throw new ClusterError("the built-in cluster is not up: run `npm run cluster -- up` first");
      const nodes = planNodes(this.#cluster.plan, state.nodes);
      const loaded = await Promise.all(
        nodes.map(async (node) => ({ node, refs: await importMissing(this.#cluster, node, archives) })),
      );
      writeState(this.#cluster.paths, rememberImages(state, archives));
      return archives.map(({ ref }) => ({
        ref,
        nodes: loaded.filter(({ refs }) => refs.includes(ref)).map(({ node }) => node.name),
      }));
    });
  }

  killNode(name: string): Promise<void> {
    return this.#locked(async () => {
      const nodes = planNodes(this.#cluster.plan, readState(this.#cluster.paths)?.nodes ?? 0);
      const node = nodes.find((one) => one.name === name);
      if (!node) {
        const there = nodes.map((one) => one.name).join(", ") || "none, the cluster is not up";
        throw new ClusterError(`kill: there is no node ${name}; there are: ${there}`);
      }
      await step(`Killing ${name}`, () => killNode(this.#cluster, node));
    });
  }

  async access(): Promise<ClusterAccess> {
    const { tools } = await clusterBinaries({ compile: false });
    return {
      provider: this.name,
      kubeconfig: this.#cluster.paths.kubeconfig,
      path: [tools],
      directNetwork: true,
    };
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    return withLock(`cluster ${this.#cluster.paths.dir}`, work);
  }

  /** The state to continue from; removes what cannot be used first. */
  async #usableState(wantedNodes: number | undefined): Promise<ClusterState> {
    const { paths } = this.#cluster;
    await this.#removeDeadOwner();
    const old = readState(paths);
    const reason = await this.#whyUnusable(old);
    if (reason) {
      say(`Recreating the cluster, without its contents: ${reason}`);
      await step("Removing the remains", () => removeCluster(this.#cluster));
    }
    const known = reason ? undefined : old;
    const before = known?.nodes ?? 0;
    if (wantedNodes !== undefined && wantedNodes < before) {
      say(
        `There are ${before} nodes already, more than ${wantedNodes}: nodes are not removed (\`down\` removes all)`,
      );
    }
    makeFolders(paths);
    const state: ClusterState = {
      layout: layoutVersion,
      bootId: currentBootId(),
      images: known?.images ?? {},
      nodes: Math.max(wantedNodes ?? 1, before),
    };
    writeState(paths, state);
    return state;
  }

  /**
   * Removes a dead cluster of another cache that has the same names and addresses; refuses while it is
   * running.
   */
  async #removeDeadOwner(): Promise<void> {
    const { plan, paths } = this.#cluster;
    const owner = await linkOwner(plan);
    if (owner === undefined || owner === paths.dir) return;
    // No owner is recorded when an earlier start was interrupted.
    if (owner === "" && readState(paths)) return;
    const other = owner === "" ? this.#cluster : clusterIn(owner);
    const netns = [other.plan.netns, ...planNodes(other.plan, maxNodes).map((node) => node.netns)];
    const pids = (await Promise.all(netns.map(netnsPids))).flat();
    if (pids.length > 0) {
      throw new ClusterError(
        `the interface ${plan.hostLink} belongs to a cluster that is running, the one in ${other.paths.dir}: use that one, or ` +
          "end it with `npm run cluster -- down` and the FAIRLEAD_CACHE and FAIRLEAD_CLUSTER that it was started with",
      );
    }
    await step(`Removing the remains of a cluster whose processes have ended (${other.paths.dir})`, () =>
      removeRemains(other),
    );
  }

  async #whyUnusable(state: ClusterState | undefined): Promise<string | undefined> {
    const { plan, paths } = this.#cluster;
    if (!state) return existsSync(paths.dir) ? "an earlier start was interrupted" : undefined;
    if (state.bootId !== currentBootId()) return "the machine was rebooted since";
    if (state.layout !== layoutVersion) return "it was made by another version of these scripts";
    // The processes run in this namespace; without it they cannot be reached.
    if (existsSync(paths.etcd) && readRecord(paths, "etcd") && !netnsExists(plan.netns)) {
      return `its network namespace ${plan.netns} does not exist any more`;
    }
    return undefined;
  }

  async #ensure(binaries: Binaries, state: ClusterState): Promise<Record<string, Ensured>> {
    const { plan, paths } = this.#cluster;
    const nodes = planNodes(plan, state.nodes);
    const quiet = { quietBelowMs: 3000 };
    for (const node of nodes) {
      if (!readRecord(paths, processName(node, "containerd")) || netnsExists(node.netns)) continue;
      say(`The network namespace of ${node.name} does not exist any more: the node is recreated`);
      await removeNode(this.#cluster, node);
    }
    await ensureControlPlaneNetwork(plan, paths.dir);
    for (const node of nodes) await ensureNodeNetwork(plan, node);
    await ensurePki(plan, paths);
    const api = new Api(plan, paths);
    try {
      const controlPlane = await step(
        "Control plane",
        () => ensureControlPlane(this.#cluster, binaries, api),
        quiet,
      );
      const images = rememberedImages(state);
      const ofNodes = await step(
        nodes.length === 1 ? "Node" : `${nodes.length} nodes`,
        async () => {
          const ensured = await Promise.all(
            nodes.map((node) => ensureNode(this.#cluster, node, binaries, api, images)),
          );
          await Promise.all([
            waitControlPlane(this.#cluster, api),
            ...nodes.map((node, i) => {
              const kept = Object.values(ensured[i] ?? {}).every((what) => what === "kept");
              return waitNodeReady(this.#cluster, api, node, { settledMs: kept ? 0 : 1000 });
            }),
          ]);
          return ensured;
        },
        quiet,
      );
      const changed: Record<string, Ensured> = { ...controlPlane };
      for (const [i, node] of nodes.entries()) {
        for (const [name, ensured] of Object.entries(ofNodes[i] ?? {}))
          changed[`${node.name}-${name}`] = ensured;
      }
      return changed;
    } finally {
      api.close();
    }
  }
}

function summary(state: ClusterState, changed: Record<string, Ensured>): string {
  const names = (what: Ensured) => Object.keys(changed).filter((name) => changed[name] === what);
  const parts = [`${state.nodes} ${state.nodes === 1 ? "node" : "nodes"} Ready`];
  if (names("kept").length === Object.keys(changed).length) parts.push("everything was running");
  else if (names("started").length > 0) parts.push(`${names("started").length} processes started`);
  if (names("restarted").length > 0) parts.push(`started again: ${names("restarted").join(", ")}`);
  return parts.join(", ");
}
