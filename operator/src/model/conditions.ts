/**
 * Conditions of a status, as Kubernetes has them: one of each type, and the time at which its status changed
 * last.
 */

export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number;
}

export interface WantedCondition {
  type: string;
  isTrue: boolean;
  /** A CamelCase word. */
  reason: string;
  message: string;
}

/**
 * The list with this condition in its place, or at the end. Only a change of status changes
 * lastTransitionTime.
 */
export function setCondition(
  list: readonly Condition[] = [],
  { type, isTrue, reason, message }: WantedCondition,
  now: string,
  generation: number | undefined,
): Condition[] {
  const status = isTrue ? "True" : "False";
  const index = list.findIndex((condition) => condition.type === type);
  const before = list[index];
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now;
  const condition: Condition = { type, status, reason, message, lastTransitionTime };
  if (generation !== undefined) condition.observedGeneration = generation;
  return before ? list.with(index, condition) : [...list, condition];
}
