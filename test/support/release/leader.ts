/** The leading controller: found by its Lease, signalled as a process of this machine. */
import { run } from "../../../hack/lib/exec.ts";
import { waitFor } from "../../../hack/lib/wait.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";
import { findPodProcesses } from "./processes.ts";

/** Name of the leading pod; empty when there is none. */
export async function loadLeader(): Promise<string> {
  const lease = ["lease", "--namespace", releaseNamespace, `${releaseName}-controller`];
  const { stdout } = await run("kubectl", ["get", ...lease, "-o", "jsonpath={.spec.holderIdentity}"]);
  return stdout.split("_")[0] ?? "";
}

export async function signalLeader(signal: "SIGKILL" | "SIGSTOP"): Promise<{ pod: string; pids: number[] }> {
  const pod = await waitFor("a controller leads", async () => (await loadLeader()) || undefined, {
    timeoutMs: 60_000,
  });
  const pids = await findPodProcesses(releaseNamespace, pod);
  if (pids.length === 0) throw new Error(`pod ${pod} has no process on this machine`);
  for (const pid of pids) process.kill(pid, signal);
  return { pod, pids };
}

/** Waits until another pod leads; returns the milliseconds that took. */
export async function untilOtherLeads(from: string): Promise<number> {
  const started = performance.now();
  await waitFor(
    `another pod than ${from} leads`,
    async () => {
      const now = await loadLeader();
      return now !== "" && now !== from;
    },
    { timeoutMs: 60_000, intervalMs: 100 },
  );
  return performance.now() - started;
}
