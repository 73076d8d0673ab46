/**
 * A source of a Kubernetes cluster. There are three: `current` (the user's own), `kind` (needs Docker) and
 * `built-in` (needs only Linux and root). Everything else in hack/ uses only this interface.
 */

export type ProviderName = "current" | "kind" | "built-in";

/** How to reach a running cluster. */
export interface ClusterAccess {
  provider: ProviderName;
  kubeconfig: string;
  /** Folders with kubectl and helm to put first on PATH; empty when those on PATH are used. */
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
  /** Nodes that did not have the image before. */
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
  /** Further lines for the user. */
  notes: string[];
}

export interface ClusterProvider {
  readonly name: ProviderName;
  /**
   * Creates or repairs the cluster; returns when every node is Ready. Without `nodes`: as many as exist, or
   * 1.
   */
  up(options: { nodes?: number }): Promise<ClusterAccess>;
  /** Removes the cluster with everything in it; does nothing when there is none. */
  down(): Promise<void>;
  status(): Promise<ClusterStatus>;
  /** Loads images onto every node that lacks them. */
  loadImages(archives: readonly ImageArchive[]): Promise<LoadedImage[]>;
  /**
   * Ends a node as a loss of power does: its programs, containers and network at once, without a word to
   * anybody. Its disk stays. `up` starts it again.
   */
  killNode(name: string): Promise<void>;
  /** Does not check whether the cluster is up. */
  access(): Promise<ClusterAccess>;
}

/** An error whose message says what the user can do; printed without a stack. */
export class ClusterError extends Error {
  override readonly name = "ClusterError";
}
