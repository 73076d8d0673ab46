/**
 * A way to a Kubernetes cluster. Three of them: `current` (one that the user has), `kind` (where Docker runs) and
 * `built-in` (a Linux machine with root and nothing else). Everything else in hack/ sees only this interface.
 */

export type ProviderName = "current" | "kind" | "built-in";

/** How to talk to a cluster that is up. */
export interface ClusterAccess {
  provider: ProviderName;
  kubeconfig: string;
  /** Folders with kubectl and helm, to be put first on PATH; empty when those on PATH serve. */
  path: string[];
  /** Whether this machine reaches pod and Service addresses directly, without a port-forward. */
  directNetwork: boolean;
}

export interface ImageArchive {
  /** Fully qualified, e.g. `fairlead.local/operator:3f2a…`. */
  ref: string;
  /** A docker-archive (or OCI archive) that holds it under this name. */
  path: string;
}

export interface LoadedImage {
  ref: string;
  /** Nodes that did not have it yet. */
  nodes: string[];
}

export interface ComponentStatus {
  name: string;
  pid?: number;
  healthy: boolean;
  detail: string;
}

export interface ClusterStatus {
  provider: ProviderName;
  running: boolean;
  nodes: { name: string; ready: boolean; detail: string }[];
  components: ComponentStatus[];
  versions: Record<string, string>;
  /** Further lines for people. */
  notes: string[];
}

export interface ClusterProvider {
  readonly name: ProviderName;
  /** Makes the cluster, or mends it; returns when every node is Ready. Without `nodes`: as many as there are, or 1. */
  up(options: { nodes?: number }): Promise<ClusterAccess>;
  /** Removes the cluster with everything in it; nothing happens when there is none. */
  down(): Promise<void>;
  status(): Promise<ClusterStatus>;
  /** Brings images to every node that lacks them. */
  loadImages(archives: readonly ImageArchive[]): Promise<LoadedImage[]>;
  /** Does not look whether the cluster is up. */
  access(): Promise<ClusterAccess>;
}

/** An error whose message is all that the user needs; no stack is printed. */
export class ClusterError extends Error {
  override readonly name = "ClusterError";
}
