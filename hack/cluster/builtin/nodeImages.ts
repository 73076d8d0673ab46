/** Images on the built-in cluster's nodes: each node's containerd has a store of its own. */
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { dockerArchive } from "../../lib/dockerArchive.ts";
import { run } from "../../lib/exec.ts";
import { ClusterError, type ImageArchive } from "../provider.ts";
import type { Binaries } from "./binary.ts";
import { hash } from "./hash.ts";
import type { NodePlan } from "./plan.ts";
import { type Cluster, type ClusterState, writeFileAtomic } from "./state.ts";

const overlayfs = 0x794c7630;

/** The image of the first process of every pod; a node needs it before its first pod. */
export function pauseImage({ paths }: Cluster, binaries: Binaries): ImageArchive {
  const content = readFileSync(binaries.pause);
  const tag = hash(content.toString("latin1"));
  const archive: ImageArchive = {
    ref: `fairlead.local/pause:${tag}`,
    path: join(paths.dir, `pause-${tag}.tar`),
  };
  if (!existsSync(archive.path)) {
    const files = [{ path: "pause", content, mode: 0o755 }];
    writeFileAtomic(
      archive.path,
      dockerArchive(archive.ref, files, { Entrypoint: ["/pause"], User: "65535" }),
    );
  }
  return archive;
}

/** Imports the images that the node lacks; returns their names. */
export async function importMissing(
  cluster: Cluster,
  node: NodePlan,
  archives: readonly ImageArchive[],
): Promise<string[]> {
  const present = await listImages(cluster, node);
  const missing = archives.filter(({ ref }) => !present.has(ref));
  for (const { path } of missing) {
    await ctr(cluster, node, "images", "import", "--snapshotter", snapshotter(cluster, node), path);
  }
  if (missing.length === 0) return [];
  const now = await listImages(cluster, node);
  for (const { ref, path } of missing) {
    if (!now.has(ref)) throw new ClusterError(`${path} was imported, but holds no image named ${ref}`);
  }
  return missing.map(({ ref }) => ref);
}

/** Records the last loaded archive of every repository, for nodes that are added later. */
export function rememberImages(state: ClusterState, archives: readonly ImageArchive[]): ClusterState {
  const images = { ...state.images };
  for (const { ref, path } of archives) {
    const repository = repositoryOf(ref);
    for (const old of Object.keys(images)) if (repositoryOf(old) === repository) delete images[old];
    images[ref] = path;
  }
  return { ...state, images };
}

export function rememberedImages(state: ClusterState): ImageArchive[] {
  return Object.entries(state.images)
    .map(([ref, path]) => ({ ref, path }))
    .filter(({ path }) => existsSync(path));
}

export function containerdSocket({ paths }: Cluster, node: NodePlan): string {
  return join(paths.nodeRuntime(node.name), "containerd.sock");
}

/** Overlayfs does not work on overlayfs, which a container's root file system is. */
export function snapshotter({ paths }: Cluster, node: NodePlan): "native" | "overlayfs" {
  return statfsSync(paths.node(node.name)).type === overlayfs ? "native" : "overlayfs";
}

async function listImages(cluster: Cluster, node: NodePlan): Promise<Set<string>> {
  return new Set((await ctr(cluster, node, "images", "list", "-q")).split("\n").filter(Boolean));
}

async function ctr(cluster: Cluster, node: NodePlan, ...args: string[]): Promise<string> {
  const connect = ["--address", containerdSocket(cluster, node), "--namespace", "k8s.io"];
  const { stdout } = await run("ctr", [...connect, ...args], { timeoutMs: 300_000 });
  return stdout;
}

function repositoryOf(ref: string): string {
  return ref.replace(/[:@][^/]*$/, "");
}
