/** What a namespace says of itself: `fairlead.dev/environment` (label) and `fairlead.dev/concurrency-limit` (annotation). */
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
  /** What in the namespace's settings is wrong; such a setting counts as absent. */
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
    problems.push(`label ${environmentLabel}: ${label} is none of ${environments.join(", ")}`);
  }
  const text = metadata.annotations?.[concurrencyLimitAnnotation];
  const limit = text !== undefined && /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined;
  if (text !== undefined && limit === undefined) {
    problems.push(`annotation ${concurrencyLimitAnnotation}: ${text} is not a whole number from 1 to 999999`);
  }
  return { type: known ?? "prod", concurrencyLimit: limit, problems };
}

/**
 * Seconds that a run may wait in its queue for its first start; 0: forever. The run's own, else its Task's, else 10
 * minutes in a dev environment.
 */
export function ttlSecondsOf(run: TaskRun, task: Task | undefined, type: EnvironmentType): number {
  return run.spec.ttlSeconds ?? task?.spec.ttlSeconds ?? (type === "dev" ? devTtlSeconds : 0);
}

/** Trigger.dev's words for the types, in a run's context and in the API. */
export const wireEnvironmentType = {
  dev: "DEVELOPMENT",
  staging: "STAGING",
  prod: "PRODUCTION",
  preview: "PREVIEW",
} as const satisfies Record<EnvironmentType, string>;
