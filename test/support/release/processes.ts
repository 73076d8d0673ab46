/**
 * Processes of containers, as the machine sees them. The built-in cluster's nodes are namespaces of this machine,
 * kind's are containers on it: their processes are in /proc here.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Processes of a run's containers. */
export const processesOf = (runName: string, namespace: string): number[] => {
  const marks = [`FAIRLEAD_RUN_ID=run_${runName}`, `FAIRLEAD_NAMESPACE=${namespace}`];
  return processes("environ", (text) => {
    const variables = text.split("\0");
    return marks.every((mark) => variables.includes(mark));
  });
};

/** Processes of a pod, by its control group; the one that only holds its network left out. */
export const processesOfPod = (uid: string): number[] =>
  processes("cgroup", (text) => text.replaceAll("_", "-").includes(uid)).filter(
    (pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() !== "pause",
  );

function processes(file: "environ" | "cgroup" | "comm", fits: (text: string) => boolean): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        return fits(readFileSync(`/proc/${pid}/${file}`, "utf8"));
      } catch {
        return false; // it ended meanwhile
      }
    });
}
