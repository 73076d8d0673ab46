/**
 * What a start that is blocked means: the row of the table for what the pod, the scheduler or the Job
 * controller says. Pure.
 */
import { attemptEnds, endRowOf, type Source } from "./attemptEnds.ts";
import type { EndRow } from "./endRow.ts";
import { quantity } from "./quantity.ts";

/** Why an attempt does not start, as Kubernetes says it. */
interface StartProblem {
  reason: string;
  message: string;
}

/** `isScheduled`: the pod has a node; undefined: there is no pod. */
export function startRowOf({ reason, message }: StartProblem, isScheduled: boolean | undefined): EndRow {
  const source: Source =
    isScheduled === undefined ? "noPod" : isScheduled || !isOfScheduler(reason) ? "waiting" : "unscheduled";
  const facts = { reason: isForGood(reason, message) ?? reason, message };
  // The last row of each table matches everything.
  return endRowOf(source, facts) ?? (attemptEnds[source].at(-1) as EndRow);
}

const isOfScheduler = (reason: string): boolean =>
  /^(Unschedulable|SchedulingGated|SchedulerError)$/.test(reason);

/** A reason of its own for what is impossible by numbers. */
function isForGood(reason: string, message: string): string | undefined {
  if (/exceeded quota/.test(message) && exceedsQuotaAlone(message)) return "QuotaTooSmall";
  return reason === "Unschedulable" && fitsNoNode(message) ? "NeverSchedulable" : undefined;
}

/** "exceeded quota: q, requested: cpu=2, used: cpu=0, limited: cpu=1": more is asked for than there is. */
function exceedsQuotaAlone(message: string): boolean {
  const [, requested = "", limited = ""] = /requested: (.*), used: .*, limited: (.*)$/.exec(message) ?? [];
  const limits = amounts(limited);
  return [...amounts(requested)].some(([name, amount]) => amount > (limits.get(name) ?? Number.NaN));
}

const amounts = (text: string): Map<string, number> =>
  new Map(
    text
      .split(",")
      .map((pair) => pair.trim().split("="))
      .map(([name = "", amount = ""]) => [name, quantity(amount)]),
  );

/** What stays as it is while the nodes are as they are. A taint of Kubernetes' own comes and goes. */
const lasting =
  /^\d+ (Insufficient [\w./-]+|node\(s\) didn't match Pod's node affinity\/selector|node\(s\) had untolerated taint \{(?!node\.|ToBeDeleted)[^}]*\})$/;

/**
 * The scheduler says of each node that removing other pods would not help ("Preemption is not helpful"): the
 * pod asks for more than the node has, or for another node.
 */
function fitsNoNode(message: string): boolean {
  const [, nodes, clauses, rest = ""] =
    /^0\/(\d+) nodes are available: (.*?)\.(?= |$)(.*)$/.exec(message) ?? [];
  if (
    !clauses ||
    !new RegExp(`preemption: 0/${nodes} nodes are available: ${nodes} Preemption is not helpful`).test(rest)
  )
    return false;
  return clauses.split(/, (?=\d)/).every((clause) => lasting.test(clause));
}
