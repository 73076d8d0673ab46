/**
 * What a Job says of itself, in its conditions. Pure. For the time when its pod is gone; while the pod is
 * there, it says more and says it earlier.
 */
import type { V1Job } from "@kubernetes/client-node";

export type JobVerdict = "completed" | "deadline" | "failed" | "suspended";

/** Undefined: it has not ended. SuccessCriteriaMet and FailureTarget come first, before the pods are gone. */
export function verdictOf(job: V1Job | undefined): JobVerdict | undefined {
  const conditions = job?.status?.conditions ?? [];
  const find = (...types: string[]) =>
    conditions.find(({ type, status }) => types.includes(type) && status === "True");
  if (find("Complete", "SuccessCriteriaMet")) return "completed";
  const failed = find("Failed", "FailureTarget");
  if (failed) return failed.reason === "DeadlineExceeded" ? "deadline" : "failed";
  return find("Suspended") ? "suspended" : undefined;
}
