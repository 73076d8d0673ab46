/** Faults of the release's Redis: it loses everything, or is killed. */
import { run } from "../../../hack/lib/exec.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";
import { findPodProcesses } from "./processes.ts";

const pod = `${releaseName}-redis-0`;
const inPod = ["exec", "--namespace", releaseNamespace, pod, "--", "valkey-cli"];

/** Removes every key. */
export async function flushRedis(): Promise<void> {
  await run("kubectl", [...inPod, "FLUSHALL"]);
}

/** `kill -9` of the server; the kubelet starts it again from its append-only file. */
export async function killRedis(): Promise<void> {
  for (const pid of await findPodProcesses(releaseNamespace, pod)) process.kill(pid, "SIGKILL");
}
