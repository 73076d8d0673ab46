/**
 * Faults of the release and of its cluster, each of which mends itself before it resolves. They act on
 * processes of this machine, so they need the built-in cluster.
 */

import { readRecord } from "../../../hack/cluster/builtin/process.ts";
import { thisCluster } from "../../../hack/cluster/builtin/state.ts";
import { run, tryRun } from "../../../hack/lib/exec.ts";
import { waitFor } from "../../../hack/lib/wait.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";
import { Pods } from "../../../operator/src/kube/resources.ts";
import { pause } from "../../../operator/src/lib/time.ts";
import { loadLeader, signalLeader } from "../release/leader.ts";
import { findPodProcesses } from "../release/processes.ts";
import { flushRedis, killRedis } from "../release/redis.ts";
import type { TestNamespace } from "../release/testNamespace.ts";

export interface Fault {
  name: string;
  /** Resolves when the fault is over; what it could not do (nothing runs just now) is no error. */
  cause(ns: TestNamespace): Promise<unknown>;
}

type Component = "controller" | "api" | "redis" | "objectstore";

const inRelease = ["--namespace", releaseNamespace];

export async function podsOf(component: Component): Promise<{ name: string; node: string }[]> {
  const selector = `app.kubernetes.io/instance=${releaseName},app.kubernetes.io/component=${component}`;
  const { stdout } = await run("kubectl", [
    "get",
    "pods",
    ...inRelease,
    "--selector",
    selector,
    "-o",
    "json",
  ]);
  const { items } = JSON.parse(stdout) as {
    items: { metadata: { name: string; deletionTimestamp?: string }; spec: { nodeName?: string } }[];
  };
  return items
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map(({ metadata, spec }) => ({ name: metadata.name, node: spec.nodeName ?? "" }));
}

async function processesOf(component: Component): Promise<number[]> {
  const pods = await podsOf(component);
  return (await Promise.all(pods.map(({ name }) => findPodProcesses(releaseNamespace, name)))).flat();
}

/** Stopped, they keep their connections and answer nothing. */
async function freeze(pids: readonly number[], ms: number): Promise<void> {
  try {
    signal(pids, "SIGSTOP");
    await pause(ms);
  } finally {
    signal(pids, "SIGCONT");
  }
}

/** A process may have ended meanwhile. */
function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

const kill = async (component: Component, most = Number.POSITIVE_INFINITY): Promise<void> =>
  signal((await processesOf(component)).slice(0, most), "SIGKILL");

/** Every packet of this pod is dropped; its probes fail, its connections stay open. */
async function partition(pod: string, ms: number): Promise<void> {
  const [pid] = await findPodProcesses(releaseNamespace, pod);
  if (pid === undefined) return;
  const rule = (action: "-I" | "-D", chain: string) =>
    run("nsenter", [`--target=${pid}`, "--net", "--", "iptables", "-w", action, chain, "-j", "DROP"]);
  await rule("-I", "INPUT");
  await rule("-I", "OUTPUT");
  await pause(ms);
  await Promise.allSettled([rule("-D", "INPUT"), rule("-D", "OUTPUT")]);
}

async function scaleStore(replicas: 0 | 1): Promise<void> {
  const what = `deployment/${releaseName}-objectstore`;
  await run("kubectl", ["scale", ...inRelease, what, `--replicas=${replicas}`]);
  await run("kubectl", ["rollout", "status", ...inRelease, what, "--timeout=120s"]);
}

/** The youngest: it has the most before it. Waits for one; undefined when none executes for long. */
const youngest = (ns: TestNamespace): Promise<string | undefined> =>
  waitFor("a pod that executes", () => findYoungest(ns), { timeoutMs: 15_000 }).catch(() => undefined);

async function findYoungest(ns: TestNamespace): Promise<string | undefined> {
  const running = (await ns.list(Pods)).filter(
    ({ metadata, status }) => status?.phase === "Running" && !metadata?.deletionTimestamp,
  );
  const age = ({ status }: (typeof running)[number]): number => Date.parse(String(status?.startTime));
  return running.sort((a, b) => age(b) - age(a))[0]?.metadata?.name;
}

const onPod =
  (act: (ns: TestNamespace, pod: string) => Promise<unknown>): Fault["cause"] =>
  async (ns) => {
    const pod = await youngest(ns);
    if (pod) await act(ns, pod);
  };

async function evict(ns: TestNamespace, name: string): Promise<void> {
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: ns.name } };
  const path = `/api/v1/namespaces/${ns.name}/pods/${name}/eviction`;
  // Refused when the pod has ended.
  await tryRun("kubectl", ["create", "--raw", path, "-f", "-"], { input: JSON.stringify(eviction) });
}

async function deleteJob(ns: TestNamespace): Promise<void> {
  const pod = await youngest(ns);
  const job = pod && (await ns.get(Pods, pod))?.metadata?.labels?.["job-name"];
  if (job) await ns.tryKubectl("delete", "job", job, "--wait=false");
}

async function freezeApiServer(ms: number): Promise<void> {
  const record = readRecord(thisCluster().paths, "kube-apiserver");
  if (!record) throw new Error("the API server is no process of this machine: set CLUSTER=built-in");
  await freeze([record.pid], ms);
}

export const faults: readonly Fault[] = [
  { name: "kill -9 of the leader", cause: () => signalLeader("SIGKILL") },
  { name: "kill -9 of both controllers", cause: () => kill("controller") },
  {
    name: "the leader is frozen for 20 s",
    cause: async () => freeze(await findPodProcesses(releaseNamespace, await loadLeader()), 20_000),
  },
  {
    name: "the leader is cut off for 25 s",
    cause: async () => partition(await loadLeader(), 25_000),
  },
  { name: "kill -9 of one API replica", cause: () => kill("api", 1) },
  { name: "kill -9 of both API replicas", cause: () => kill("api") },
  { name: "kill -9 of Redis", cause: killRedis },
  { name: "FLUSHALL", cause: flushRedis },
  {
    name: "Redis is frozen for 12 s",
    cause: async () => freeze(await processesOf("redis"), 12_000),
  },
  {
    name: "the object store is away for 10 s",
    cause: async () => {
      try {
        await scaleStore(0);
        await pause(10_000);
      } finally {
        await scaleStore(1);
      }
    },
  },
  {
    name: "the object store is frozen for 12 s",
    cause: async () => freeze(await processesOf("objectstore"), 12_000),
  },
  { name: "the API server is frozen for 15 s", cause: () => freezeApiServer(15_000) },
  {
    name: "a pod is deleted",
    cause: onPod((ns, pod) => ns.tryKubectl("delete", "pod", pod, "--wait=false")),
  },
  {
    name: "a pod is deleted by force",
    cause: onPod((ns, pod) => ns.tryKubectl("delete", "pod", pod, "--force", "--grace-period=0")),
  },
  { name: "a pod is evicted", cause: onPod(evict) },
  { name: "a Job is deleted", cause: deleteJob },
];
