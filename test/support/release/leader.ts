/** The controller that leads: found by its lease, hit as a process of the machine. */
import { run } from "../../../hack/lib/exec.ts";
import { waitFor } from "../../../hack/lib/wait.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";
import { processesOfPod } from "./processes.ts";
import { podUid } from "./testNamespace.ts";

/** Name of the pod that leads. */
export async function leader(): Promise<string> {
  const lease = ["lease", "--namespace", releaseNamespace, `${releaseName}-controller`];
  const { stdout } = await run("kubectl", ["get", ...lease, "-o", "jsonpath={.spec.holderIdentity}"]);
  return stdout.split("_")[0] ?? "";
}

export async function signalLeader(signal: "SIGKILL" | "SIGSTOP"): Promise<{ pod: string; pids: number[] }> {
  const pod = await waitFor("a controller leads", async () => (await leader()) || undefined, {
    timeoutMs: 60_000,
  });
  const pids = processesOfPod(await podUid(releaseNamespace, pod));
  if (pids.length === 0) throw new Error(`no process of ${pod} is on this machine`);
  for (const pid of pids) process.kill(pid, signal);
  return { pod, pids };
}

/** Milliseconds until another pod leads. */
export async function takenOver(from: string): Promise<number> {
  const started = performance.now();
  await waitFor(
    `another pod than ${from} leads`,
    async () => {
      const now = await leader();
      return now !== "" && now !== from;
    },
    { timeoutMs: 60_000, intervalMs: 100 },
  );
  return performance.now() - started;
}
