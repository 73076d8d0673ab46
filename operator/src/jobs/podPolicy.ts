/**
 * What a run may ask of its pod: a closed allow-list (podFields.ts), as far as the chart's values open it
 * (podPolicySettings.ts). Pure: what it refuses never becomes a Job.
 *
 * It looks at what people wrote, the run and the pinned version of its Task, so that a refusal names their
 * field. What jobBuilder.ts makes of an accepted one passes Pod Security `restricted`, unless values say
 * otherwise.
 */

import type { PodTemplate, TaskRun, TaskSpec } from "../model/resources.ts";
import { machineResources } from "./machine.ts";
import { container, template } from "./podFields.ts";
import type { PodPolicy } from "./podPolicySettings.ts";
import { amounts, type Refusal, refuse } from "./podRules.ts";
import type { PinnedTask } from "./program.ts";

export type { Refusal } from "./podRules.ts";

/** Where and how large a run of a Task is, is the run's to say; what it is, only if the Task allows it. */
const free: readonly string[] = [
  "nodeSelector",
  "tolerations",
  "affinity",
  "resources",
  "terminationGracePeriodSeconds",
];

/** A reason of a TaskRun, and of a Task's condition. */
export const forbiddenReason = "Forbidden";

/** `task`: the run's pinned version; absent for an inline container. */
export function refusalsOfRun(run: TaskRun, task: PinnedTask | undefined, policy: PodPolicy): Refusal[] {
  if (policy.closed) return closedRefusal(policy.closed);
  const { spec } = run;
  const ofTask = task ? specRefusals(task.spec, `Task ${task.name}: spec`, policy) : [];
  const ofRun = specRefusals(spec, "spec", policy);
  const ofContainer = spec.container ? container(spec.container, "spec.container", policy) : [];
  return [...(task ? overrides(spec.podTemplate, task) : []), ...ofTask, ...ofRun, ...ofContainer];
}

export function refusalsOfTask(spec: TaskSpec, policy: PodPolicy): Refusal[] {
  return policy.closed ? closedRefusal(policy.closed) : specRefusals(spec, "spec", policy);
}

const closedRefusal = ({ problem, setting }: NonNullable<PodPolicy["closed"]>): Refusal[] => [
  { field: "metadata.namespace", problem, setting },
];

type Asked = Pick<TaskRun["spec"], "podTemplate" | "machine" | "retry" | "maxDurationSeconds">;

function specRefusals(spec: Asked, field: string, policy: PodPolicy): Refusal[] {
  const larger = spec.retry?.outOfMemory?.machine;
  return [
    ...(spec.podTemplate ? template(spec.podTemplate, `${field}.podTemplate`, policy) : []),
    ...(spec.machine ? machineRefusals(spec.machine, `${field}.machine`, policy) : []),
    ...(larger ? machineRefusals(larger, `${field}.retry.outOfMemory.machine`, policy) : []),
    ...durationRefusals(spec.maxDurationSeconds, `${field}.maxDurationSeconds`, policy),
  ];
}

function machineRefusals(name: NonNullable<Asked["machine"]>, field: string, policy: PodPolicy): Refusal[] {
  const { requests = {}, limits = {} } = machineResources(name);
  const [first] = amounts({ ...requests, ...limits }, field, policy);
  return first ? [{ ...first, field, problem: `${name}: ${first.problem}` }] : [];
}

function durationRefusals(seconds: number | undefined, field: string, policy: PodPolicy): Refusal[] {
  if (seconds === undefined || seconds <= policy.maxDurationSeconds) return [];
  return refuse(field, `${seconds} is more than ${policy.maxDurationSeconds}`, "maxDurationSeconds");
}

function overrides(own: PodTemplate | undefined, task: PinnedTask): Refusal[] {
  const allowed: readonly string[] = [...free, ...(task.spec.allowOverrides ?? [])];
  return Object.entries(own ?? {})
    .filter(([key, value]) => value !== undefined && value !== null && !allowed.includes(key))
    .map(([key]) => ({
      field: `spec.podTemplate.${key}`,
      problem: `is Task ${task.name}'s to say, not its run's`,
      setting: `spec.allowOverrides of the Task`,
    }));
}

const shown = 5;

/** One message of all of them. */
export function explainRefusals(refusals: readonly Refusal[]): string {
  const texts = refusals.slice(0, shown).map(({ field, problem, setting }) => {
    const way = setting === undefined ? "leave it out" : `${setting} can allow it`;
    return `${field}: ${problem} (${way})`;
  });
  const more = refusals.length - texts.length;
  return `${texts.join("; ")}${more > 0 ? `; and ${more} more` : ""}.`;
}
