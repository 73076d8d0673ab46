/** The release's Redis, treated as the world treats it. */
import { run } from "../../../hack/lib/exec.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";
import { processesOfPod } from "./processes.ts";
import { podUid } from "./testNamespace.ts";

const pod = `${releaseName}-redis-0`;
const inPod = ["exec", "--namespace", releaseNamespace, pod, "--", "valkey-cli"];

/** Everything that it holds is gone. */
export async function flushRedis(): Promise<void> {
  await run("kubectl", [...inPod, "FLUSHALL"]);
}

/** `kill -9` of the server; the kubelet starts it again with what its file holds. */
export async function killRedis(): Promise<void> {
  for (const pid of processesOfPod(await podUid(releaseNamespace, pod))) process.kill(pid, "SIGKILL");
}
