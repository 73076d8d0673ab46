/**
 * A cluster of Docker containers, by kind (https://kind.sigs.k8s.io). The `kind` command is the one on PATH,
 * else it is compiled from its Go module into the cache. Node images come from Docker Hub: the machine needs
 * to reach it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ExecError, run, tryRun, which } from "../lib/exec.ts";
import { cacheDir } from "../lib/paths.ts";
import { step } from "../lib/progress.ts";
import { goInstall } from "./builtin/binary.ts";
import { clusterName, defaultClusterName } from "./builtin/plan.ts";
import { describeNodes, kubectl } from "./current.ts";
import {
  type ClusterAccess,
  ClusterError,
  type ClusterProvider,
  type ClusterStatus,
  type ImageArchive,
  type LoadedImage,
} from "./provider.ts";
import { toolFolders } from "./tools.ts";

const kindVersion = "v0.30.0";

export class KindCluster implements ClusterProvider {
  readonly name = "kind";
  readonly #cluster: string;
  readonly #kubeconfig: string;

  constructor() {
    const name = clusterName();
    this.#cluster = name === defaultClusterName ? "fairlead" : `fairlead-${name}`;
    this.#kubeconfig = join(cacheDir("kind"), `${this.#cluster}.kubeconfig`);
  }

  async up({ nodes }: { nodes?: number }): Promise<ClusterAccess> {
    await requireDocker();
    const kind = await kindCommand();
    const present = await this.#nodes(kind);
    if (present.length === 0) {
      const count = nodes ?? 1;
      await step(
        `Making a kind cluster of ${count} ${count === 1 ? "node" : "nodes"}`,
        (current) =>
          run(
            kind,
            this.#args("create", "cluster", "--config=-", "--wait=180s", "--kubeconfig", this.#kubeconfig),
            {
              input: kindConfig(count),
              onLine: (line) => current.update(line.trim().slice(0, 80)),
            },
          ),
        { note: "the first time its node image is downloaded" },
      );
    } else {
      if (nodes !== undefined && nodes > present.length) {
        throw new ClusterError(
          `the kind cluster has ${present.length} nodes and kind cannot add any: ` +
            `\`npm run cluster -- down\`, then \`up --nodes ${nodes}\``,
        );
      }
      await this.#mend(kind, present);
    }
    return { ...(await this.access()), path: await toolFolders({ compile: true }) };
  }

  async down(): Promise<void> {
    await requireDocker();
    const kind = await kindCommand();
    await step("Removing the kind cluster", () =>
      run(kind, this.#args("delete", "cluster", "--kubeconfig", this.#kubeconfig)),
    );
  }

  async status(): Promise<ClusterStatus> {
    const access = await this.access();
    const running =
      existsSync(this.#kubeconfig) && (await kubectl(access, "get", "--raw", "/readyz")).code === 0;
    return {
      provider: this.name,
      running,
      nodes: [],
      components: [],
      versions: {},
      notes: [`kind cluster "${this.#cluster}"`],
      ...(running ? await describeNodes(access) : {}),
    };
  }

  killNode(): Promise<void> {
    throw new ClusterError("kill: only a node of the built-in cluster can be killed; set CLUSTER=built-in");
  }

  async loadImages(archives: readonly ImageArchive[]): Promise<LoadedImage[]> {
    const kind = await kindCommand();
    const nodes = await this.#nodes(kind);
    if (nodes.length === 0)
      throw new ClusterError("the kind cluster is not up: run `npm run cluster -- up` first");
    const missing = new Map<string, string[]>(archives.map(({ ref }) => [ref, []]));
    await Promise.all(
      nodes.map(async (node) => {
        const present = await imagesOf(node);
        for (const { ref } of archives) if (!present.has(ref)) missing.get(ref)?.push(node);
      }),
    );
    for (const { ref, path } of archives) {
      const lacking = missing.get(ref) ?? [];
      if (lacking.length === 0) continue;
      await run(kind, this.#args("load", "image-archive", path, "--nodes", lacking.join(",")));
    }
    return archives.map(({ ref }) => ({ ref, nodes: missing.get(ref) ?? [] }));
  }

  async access(): Promise<ClusterAccess> {
    return {
      provider: this.name,
      kubeconfig: this.#kubeconfig,
      path: await toolFolders({ compile: false }),
      directNetwork: false,
    };
  }

  #args(...args: string[]): string[] {
    return [...args, "--name", this.#cluster];
  }

  async #nodes(kind: string): Promise<string[]> {
    const { code, stdout } = await tryRun(kind, this.#args("get", "nodes"));
    // kind reports on stderr that there is none.
    return code === 0 ? stdout.split(/\s+/).filter((name) => name.startsWith(this.#cluster)) : [];
  }

  /**
   * Starts containers that were stopped (by a reboot), and rewrites the kubeconfig, whose ports may have
   * changed.
   */
  async #mend(kind: string, nodes: readonly string[]): Promise<void> {
    await step("Starting the kind cluster's nodes", () => run("docker", ["start", ...nodes]), {
      quietBelowMs: 3000,
    });
    await run(kind, this.#args("export", "kubeconfig", "--kubeconfig", this.#kubeconfig));
    const access = { ...(await this.access()), path: await toolFolders({ compile: true }) };
    await step(
      "Waiting for its nodes",
      async () => {
        const result = await kubectl(
          access,
          "wait",
          "nodes",
          "--all",
          "--for=condition=Ready",
          "--timeout=180s",
        );
        if (result.code !== 0) throw new ExecError("kubectl wait nodes", result);
      },
      { quietBelowMs: 3000 },
    );
  }
}

/** The first node is the control plane, which also runs pods when it is the only node. */
function kindConfig(nodes: number): string {
  const roles = ["control-plane", ...Array.from({ length: nodes - 1 }, () => "worker")];
  return JSON.stringify({
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    nodes: roles.map((role) => ({ role })),
  });
}

async function imagesOf(node: string): Promise<Set<string>> {
  const list = ["ctr", "--namespace=k8s.io", "images", "list", "--quiet"];
  const { stdout } = await run("docker", ["exec", node, ...list]);
  return new Set(stdout.split("\n").filter(Boolean));
}

async function kindCommand(): Promise<string> {
  return which("kind") ?? (await goInstall("kind", "sigs.k8s.io/kind", kindVersion, []));
}

async function requireDocker(): Promise<void> {
  const { code, stderr } = await tryRun("docker", ["version"], { timeoutMs: 20_000 }).catch(
    (error: Error) => ({
      code: 1,
      stderr: error.message,
    }),
  );
  if (code === 0) return;
  throw new ClusterError(`kind needs a Docker daemon: ${stderr.trim()}`);
}
