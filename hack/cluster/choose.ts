/**
 * Chooses the cluster provider. `decide` is pure; `chooseProvider` looks at the machine and prints choice and
 * reason.
 */
import { existsSync } from "node:fs";
import { tryRun, which } from "../lib/exec.ts";
import { BuiltInCluster } from "./builtin/builtin.ts";
import { readState, thisCluster } from "./builtin/state.ts";
import { CurrentCluster } from "./current.ts";
import { KindCluster } from "./kind.ts";
import { ClusterError, type ClusterProvider, type ProviderName } from "./provider.ts";

export interface Facts {
  /** The variable CLUSTER, which overrides everything else. */
  wanted: string | undefined;
  kubeconfig: string | undefined;
  ownKubeconfig: string;
  /** A built-in cluster exists on this machine. */
  builtInExists: boolean;
  dockerAnswers: boolean;
  platform: string;
  root: boolean;
}

export interface Decision {
  provider: ProviderName;
  reason: string;
}

const names: Record<string, ProviderName> = {
  current: "current",
  kind: "kind",
  "built-in": "built-in",
  builtin: "built-in",
};

export function decide(facts: Facts): Decision {
  const builtInWorks = facts.platform === "linux" && facts.root;
  const why = `built-in needs ${facts.platform === "linux" ? "root" : "Linux and root"}`;
  if (facts.wanted) {
    const provider = names[facts.wanted];
    if (!provider) throw new ClusterError(`CLUSTER=${facts.wanted}: must be current, kind or built-in`);
    if (provider === "built-in" && !builtInWorks) throw new ClusterError(`CLUSTER=${facts.wanted}: ${why}`);
    return { provider, reason: `CLUSTER=${facts.wanted}` };
  }
  const decision = decideFreely(facts, builtInWorks);
  if (!decision) {
    throw new ClusterError(
      `no cluster is possible here: no Docker daemon answers (needed for kind), and ${why}. ` +
        `Start Docker, become root on Linux, or set CLUSTER=current to use the cluster that KUBECONFIG points at.`,
    );
  }
  // A cluster is never used only because KUBECONFIG happens to be set.
  const foreign = facts.kubeconfig && facts.kubeconfig !== facts.ownKubeconfig;
  const hint = foreign ? "; KUBECONFIG is set, but its cluster is only used with CLUSTER=current" : "";
  return { ...decision, reason: decision.reason + hint };
}

function decideFreely(facts: Facts, builtInWorks: boolean): Decision | undefined {
  if (facts.builtInExists && builtInWorks) {
    return { provider: "built-in", reason: "it exists already" };
  }
  if (facts.dockerAnswers) return { provider: "kind", reason: "a Docker daemon answers" };
  if (builtInWorks) return { provider: "built-in", reason: "Linux with root, and no Docker daemon answers" };
  return undefined;
}

/** Calls `say` with one line: the choice and its reason. */
export async function chooseProvider(say: (line: string) => void = () => {}): Promise<ClusterProvider> {
  const { provider, reason } = decide(await gatherFacts());
  say(`Cluster: ${provider} (${reason})`);
  switch (provider) {
    case "current":
      return new CurrentCluster();
    case "kind":
      return new KindCluster();
    case "built-in":
      return new BuiltInCluster();
  }
}

async function gatherFacts(): Promise<Facts> {
  const { paths } = thisCluster();
  const builtInExists = readState(paths) !== undefined;
  const wanted = process.env.CLUSTER || undefined;
  return {
    wanted,
    kubeconfig: process.env.KUBECONFIG || undefined,
    ownKubeconfig: paths.kubeconfig,
    builtInExists,
    // Slow where the daemon hangs, so only when the answer matters.
    dockerAnswers: !wanted && !builtInExists && (await dockerAnswers()),
    platform: process.platform,
    root: process.getuid?.() === 0,
  };
}

export async function dockerAnswers(): Promise<boolean> {
  if (!which("docker")) return false;
  if (process.platform === "linux" && !process.env.DOCKER_HOST && !existsSync("/var/run/docker.sock")) {
    // Rootless and remote daemons appear only in docker's contexts.
    const { stdout } = await tryRun("docker", ["context", "show"], { timeoutMs: 5000 }).catch(() => ({
      stdout: "default",
    }));
    if (stdout.trim() === "default") return false;
  }
  const result = await tryRun("docker", ["version", "--format", "{{.Server.Version}}"], {
    timeoutMs: 10_000,
  }).catch(() => undefined);
  return result?.code === 0 && result.stdout.trim() !== "";
}
