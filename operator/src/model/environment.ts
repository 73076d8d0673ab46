/**
 * The settings of a namespace as an environment: its type (label `fairlead.dev/environment`) and how many of
 * its runs may execute at once (annotation `fairlead.dev/concurrency-limit`). Pure.
 */
import { concurrencyLimitAnnotation, environmentLabel } from "@fairlead/protocol/labels";
import type { Task, TaskRun } from "./resources.ts";

export const environments = ["dev", "staging", "prod", "preview"] as const;
export type EnvironmentType = (typeof environments)[number];

/** The types as Trigger.dev names them: in `ctx.environment.type` and in its API. */
export const triggerEnvironments = {
  dev: "DEVELOPMENT",
  staging: "STAGING",
  prod: "PRODUCTION",
  preview: "PREVIEW",
} as const satisfies Record<EnvironmentType, string>;

export interface Environment {
  type: EnvironmentType;
  /** Runs that may execute at once; undefined: the chart's default. */
  concurrencyLimit?: number;
  /** What is wrong with the settings; a wrong one counts as absent. */
  problems: string[];
}

const devTtlSeconds = 600;

export function environmentOf(metadata: {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}): Environment {
  const problems: string[] = [];
  const label = metadata.labels?.[environmentLabel];
  const known = environments.find((type) => type === label);
  if (label !== undefined && !known) {
    problems.push(
      `label ${environmentLabel}: "${label}" is not an environment; it must be one of ${environments.join(", ")}`,
    );
  }
  const text = metadata.annotations?.[concurrencyLimitAnnotation];
  const limit = text !== undefined && /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined;
  if (text !== undefined && limit === undefined) {
    problems.push(
      `annotation ${concurrencyLimitAnnotation}: "${text}" is not a whole number from 1 to 999999`,
    );
  }
  return { type: known ?? "prod", concurrencyLimit: limit, problems };
}

/**
 * Seconds that a run may wait in its queue for its first start; 0: forever. The run's own, else its Task's,
 * else 10 minutes in a dev environment.
 */
export function ttlSecondsOf(run: TaskRun, task: Task | undefined, type: EnvironmentType): number {
  return run.spec.ttlSeconds ?? task?.spec.ttlSeconds ?? (type === "dev" ? devTtlSeconds : 0);
}
