/**
 * The user's own cluster: the one that KUBECONFIG (else ~/.kube/config) points at. It is read and used, never
 * created, changed or removed here; images reach it through a registry.
 */
import { homedir } from "node:os";
import { join } from "node:path";
import { tryRun } from "../lib/exec.ts";
import { say } from "../lib/progress.ts";
import {
  type ClusterAccess,
  ClusterError,
  type ClusterProvider,
  type ClusterStatus,
  type ImageArchive,
  type LoadedImage,
} from "./provider.ts";
import { toolFolders } from "./tools.ts";

export class CurrentCluster implements ClusterProvider {
  readonly name = "current";

  async up({ nodes }: { nodes?: number }): Promise<ClusterAccess> {
    if (nodes !== undefined)
      throw new ClusterError("--nodes: cannot be set for an existing cluster; omit it");
    const access = { ...(await this.access()), path: await toolFolders({ compile: true }) };
    const { code, stderr } = await kubectl(access, "get", "--raw", "/readyz");
    if (code !== 0) {
      throw new ClusterError(
        `the cluster of ${access.kubeconfig} does not answer: ${stderr.trim().slice(-500)}`,
      );
    }
    const { stdout } = await kubectl(access, "config", "current-context");
    say(`Using the cluster of context "${stdout.trim()}" (${access.kubeconfig})`);
    return access;
  }

  async down(): Promise<void> {
    say("CLUSTER=current: this cluster was not created here, so it is kept");
  }

  async status(): Promise<ClusterStatus> {
    const access = await this.access();
    const status: ClusterStatus = {
      provider: this.name,
      running: (await kubectl(access, "get", "--raw", "/readyz")).code === 0,
      nodes: [],
      components: [],
      versions: {},
      notes: [`kubeconfig ${access.kubeconfig}`],
    };
    if (status.running) Object.assign(status, await describeNodes(access));
    return status;
  }

  loadImages(_archives: readonly ImageArchive[]): Promise<LoadedImage[]> {
    throw new ClusterError(
      "images cannot be copied to the nodes of a cluster that was not created here: " +
        "push them with `npm run images -- --push REGISTRY` and install with the values file that it writes",
    );
  }

  killNode(): Promise<void> {
    throw new ClusterError("kill: only a node of the built-in cluster can be killed; set CLUSTER=built-in");
  }

  async access(): Promise<ClusterAccess> {
    const kubeconfig = process.env.KUBECONFIG || join(homedir(), ".kube", "config");
    const path = await toolFolders({ compile: false });
    return { provider: this.name, kubeconfig, path, directNetwork: false };
  }
}

/** Runs kubectl against a cluster, with our own kubectl when there is none on PATH. */
export function kubectl(access: ClusterAccess, ...args: string[]) {
  const path = [...access.path, process.env.PATH ?? ""].join(":");
  const env = { KUBECONFIG: access.kubeconfig, PATH: path };
  return tryRun("kubectl", ["--request-timeout=10s", ...args], { env, timeoutMs: 30_000 });
}

/** Nodes and version, read from the API server. */
export async function describeNodes(
  access: ClusterAccess,
): Promise<Pick<ClusterStatus, "nodes" | "versions">> {
  const nodes = JSON.parse(
    (await kubectl(access, "get", "nodes", "-o", "json")).stdout || '{"items":[]}',
  ) as {
    items: {
      metadata: { name: string };
      status: {
        conditions?: { type: string; status: string; message?: string }[];
        nodeInfo: { kubeletVersion: string };
      };
    }[];
  };
  const version = JSON.parse((await kubectl(access, "get", "--raw", "/version")).stdout || "{}") as {
    gitVersion?: string;
  };
  return {
    versions: version.gitVersion ? { kubernetes: version.gitVersion } : {},
    nodes: nodes.items.map(({ metadata, status }) => {
      const ready = status.conditions?.find(({ type }) => type === "Ready");
      const isReady = ready?.status === "True";
      return {
        name: metadata.name,
        ready: isReady,
        detail: isReady ? `Ready, ${status.nodeInfo.kubeletVersion}` : (ready?.message ?? "not Ready"),
      };
    }),
  };
}
