/** Faults of the release's Redis: it loses everything, or is killed. */
import { run } from "../../../hack/lib/exec.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";
import { findPodProcesses } from "./processes.ts";

const inPod = [
  "exec",
  "--namespace",
  releaseNamespace,
  `deployment/${releaseName}-redis`,
  "--",
  "valkey-cli",
];

/** Removes every key. */
export async function flushRedis(): Promise<void> {
  await run("kubectl", [...inPod, "FLUSHALL"]);
}

/** `kill -9` of the server; the kubelet starts it again, empty. */
export async function killRedis(): Promise<void> {
  const selector = `app.kubernetes.io/instance=${releaseName},app.kubernetes.io/component=redis`;
  const names = ["get", "pods", "--namespace", releaseNamespace, "--selector", selector];
  const { stdout } = await run("kubectl", [...names, "-o", "jsonpath={.items[0].metadata.name}"]);
  const pod = stdout.trim();
  for (const pid of await findPodProcesses(releaseNamespace, pod)) process.kill(pid, "SIGKILL");
}
