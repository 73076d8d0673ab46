/**
 * Processes of a run's containers, as the machine sees them. The built-in cluster's nodes are namespaces of this
 * machine, kind's are containers on it: their processes are in /proc here.
 */
import { readdirSync, readFileSync } from "node:fs";

export function processesOf(runName: string, namespace: string): number[] {
  const marks = [`FAIRLEAD_RUN_ID=run_${runName}`, `FAIRLEAD_NAMESPACE=${namespace}`];
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
        return marks.every((mark) => variables.includes(mark));
      } catch {
        return false; // it ended meanwhile
      }
    });
}
