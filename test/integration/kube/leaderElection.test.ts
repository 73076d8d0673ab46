/** Leader election between real processes over a real Lease, with real signals. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { V1ConfigMap } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { Informer } from "../../../operator/src/kube/cache/informer.ts";
import { Leases } from "../../../operator/src/kube/resources.ts";
import { quiet } from "../../support/quiet.ts";
import { ConfigMaps, configMap, ScratchNamespace } from "../../support/scratchNamespace.ts";

let namespace: ScratchNamespace;
const stop = new AbortController();
const processes: ChildProcess[] = [];
/** Every term that was written, in the API server's order. */
const writtenTerms: number[] = [];

beforeAll(async () => {
  namespace = await ScratchNamespace.create("election");
  await namespace.client.create(ConfigMaps, namespace.name, configMap("ledger"));
  const ledger = new Informer<V1ConfigMap>(namespace.client, ConfigMaps, {
    namespace: namespace.name,
    log: quiet,
  });
  ledger.on("change", (_key, _before, after) => {
    if (after?.data?.term) writtenTerms.push(Number(after.data.term));
  });
  await ledger.start(stop.signal);
});

afterAll(async () => {
  for (const child of processes) child.kill("SIGKILL");
  stop.abort();
  await namespace?.remove();
});

function candidate(identity: string) {
  const script = fileURLToPath(new URL("candidate.ts", import.meta.url));
  const child = spawn(process.execPath, [script, namespace.name, identity], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  processes.push(child);
  const printed: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => printed.push(...text.trim().split("\n")));
  const leads = (): boolean =>
    printed.filter((l) => l.startsWith("started")).length > printed.filter((l) => l === "ended").length;
  return { child, printed, leads };
}

const holder = async (): Promise<string | undefined> =>
  (await namespace.client.get(Leases, namespace.name, "leader"))?.spec?.holderIdentity;

test("a crash, a pause and a stop of the leader each lead to one successor in time, and never to two leaders", async () => {
  const a = candidate("a");
  await waitFor("a leads", () => a.leads() && writtenTerms.length > 0);
  const b = candidate("b");
  await waitFor("b competes", () => b.printed.includes("up"));
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(b.leads()).toBe(false);

  let since = Date.now();
  a.child.kill("SIGKILL");
  await waitFor("b leads after a crash", b.leads, { timeoutMs: 60_000 });
  console.log(`took over ${((Date.now() - since) / 1000).toFixed(1)} s after a crash`);

  const c = candidate("c");
  await waitFor("c competes", () => c.printed.includes("up"));
  b.child.kill("SIGSTOP");
  await waitFor("c leads while b is paused", c.leads, { timeoutMs: 60_000 });
  b.child.kill("SIGCONT");
  await waitFor("b has stopped", () => b.printed.includes("ended"));
  expect(b.printed.some((line) => line.startsWith("lost"))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect([b.leads(), c.leads(), await holder()]).toEqual([false, true, "c"]);

  since = Date.now();
  c.child.kill("SIGTERM");
  await waitFor("b leads again after a release", b.leads);
  console.log(`took over ${((Date.now() - since) / 1000).toFixed(1)} s after a release`);
  await waitFor("c has released", () => c.printed.at(-1) === "released");
  expect(c.printed.slice(-2)).toEqual(["ended", "released"]);
  await waitFor("b writes its second term", () => new Set(writtenTerms).size === 4);

  b.child.kill("SIGTERM");
  await waitFor("b releases", () => b.printed.at(-1) === "released");
  expect(await holder()).toBe("");
  expect(writtenTerms).toEqual(writtenTerms.toSorted((x, y) => x - y));
});
