/** Where the parts of the release are on a cluster of two nodes, and how a test arranges them. */
import { run } from "../../../hack/lib/exec.ts";
import { waitFor } from "../../../hack/lib/wait.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";
import { loadLeader, signalLeader, untilOtherLeads } from "../release/leader.ts";
import { podsOf } from "./faults.ts";

const inRelease = ["--namespace", releaseNamespace];

const nodesOf = async (component: "controller" | "api" | "redis" | "objectstore") =>
  new Set((await podsOf(component)).map(({ node }) => node));

async function nodeOf(component: "redis" | "objectstore"): Promise<string> {
  const [node] = await nodesOf(component);
  if (!node) throw new Error(`${component} has no node`);
  return node;
}

const ready = (component: string) =>
  run("kubectl", [
    "rollout",
    "status",
    ...inRelease,
    `deployment/${releaseName}-${component}`,
    "--timeout=120s",
  ]);

/**
 * Redis and the leader on one node, the object store on the other, and a replica of controller and API on
 * each.
 */
export async function placeApart(): Promise<{ leading: string; storing: string }> {
  const storing = await nodeOf("objectstore");
  for (const component of ["controller", "api"] as const) await spread(component);
  if ((await nodeOf("redis")) === storing) await moveRedis(storing);
  const leader = await loadLeader();
  const place = (await podsOf("controller")).find(({ name }) => name === leader);
  if (place?.node === storing) await untilOtherLeads((await signalLeader("SIGKILL")).pod);
  return { leading: await nodeOf("redis"), storing };
}

/** Replicas that came together when a node was lost stay so: one of them is deleted. */
async function spread(component: "controller" | "api"): Promise<void> {
  await ready(component);
  const pods = await podsOf(component);
  if (new Set(pods.map(({ node }) => node)).size > 1) return;
  await run("kubectl", ["delete", "pod", ...inRelease, pods[0]?.name ?? "", "--wait=false"]);
  await waitFor(`${component} on two nodes`, async () => (await nodesOf(component)).size === 2, {
    timeoutMs: 60_000,
  });
  await ready(component);
}

async function moveRedis(from: string): Promise<void> {
  await run("kubectl", ["cordon", from]);
  try {
    for (const { name } of await podsOf("redis")) await run("kubectl", ["delete", "pod", ...inRelease, name]);
    await ready("redis");
  } finally {
    await run("kubectl", ["uncordon", from]);
  }
}
