/**
 * The processes of containers in this machine's /proc: the built-in cluster's nodes are namespaces of this
 * machine, kind's are containers on it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { run } from "../../../hack/lib/exec.ts";

/** Ids of the processes in a run's containers. */
export const findRunProcesses = (runName: string, namespace: string): number[] => {
  const marks = [`FAIRLEAD_RUN_ID=run_${runName}`, `FAIRLEAD_NAMESPACE=${namespace}`];
  return findProcesses("environ", (text) => {
    const variables = text.split("\0");
    return marks.every((mark) => variables.includes(mark));
  });
};

/** Ids of the processes in a pod's control group, without the pause container that holds its network. */
export async function findPodProcesses(namespace: string, pod: string): Promise<number[]> {
  const args = ["get", "pod", pod, "--namespace", namespace, "-o", "jsonpath={.metadata.uid}"];
  const { stdout: uid } = await run("kubectl", args);
  const pids = findProcesses("cgroup", (text) => text.replaceAll("_", "-").includes(uid));
  return pids.filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() !== "pause");
}

function findProcesses(file: "environ" | "cgroup", fits: (text: string) => boolean): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        return fits(readFileSync(`/proc/${pid}/${file}`, "utf8"));
      } catch {
        return false; // ended meanwhile
      }
    });
}
