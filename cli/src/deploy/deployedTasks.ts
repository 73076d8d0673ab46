/** What `deploy` sends of what the code says: pure. Settings of the code win over the config's defaults. */
import { parseDuration } from "@fairlead/protocol/durations";
import { machineNames } from "@fairlead/protocol/machines";
import type { IndexedTask, TaskIndex } from "@fairlead/protocol/taskIndex";
import type { Defaults } from "../build/manifest.ts";
import { CommandError } from "../errors.ts";

export interface DeployedTask {
  id: string;
  /** Path of its module in the bundle. */
  entry: string;
  queue?: { name?: string; concurrencyLimit?: number };
  retry?: object;
  machine?: string;
  maxDurationSeconds?: number;
  ttlSeconds?: number;
  schedule?: { cron: string; timezone?: string };
}

export type Target = "deploy" | "dev";

/** The shortest and the longest that a Task may have. `timeout.None` is beyond it. */
const durationSeconds = { least: 5, most: 365 * 24 * 3600 };
/** What a schedule's `environments` may say of each target. */
const environments: Record<Target, string> = { deploy: "PRODUCTION", dev: "DEVELOPMENT" };

/** The files that were indexed are the modules in the bundle. A CommandError names task and field. */
export const deployedTasks = ({ tasks }: TaskIndex, defaults: Defaults, target: Target): DeployedTask[] =>
  tasks.map((task) => {
    const maxDuration = task.maxDuration ?? defaults.maxDuration;
    const retry = { ...defaults.retry, ...task.retry };
    return defined({
      id: task.id,
      entry: task.file,
      queue: task.queue,
      retry: Object.keys(retry).length > 0 ? retry : undefined,
      machine: machineOf(task, defaults),
      maxDurationSeconds: maxDuration === undefined ? undefined : inRange(maxDuration),
      ttlSeconds: ttlOf(task, defaults),
      schedule: scheduleOf(task, target),
    });
  });

const inRange = (seconds: number): number =>
  Math.min(durationSeconds.most, Math.max(durationSeconds.least, Math.round(seconds)));

function machineOf({ id, machine }: IndexedTask, defaults: Defaults): string | undefined {
  const name = machine ?? defaults.machine;
  if (name === undefined || (machineNames as readonly string[]).includes(name)) return name;
  throw new CommandError(`task ${id}: machine "${name}" is none; it must be ${machineNames.join(", ")}`);
}

function ttlOf({ id, ttl: own }: IndexedTask, defaults: Defaults): number | undefined {
  const ttl = own ?? defaults.ttl;
  if (typeof ttl !== "string") return ttl;
  const seconds = parseDuration(ttl);
  if (seconds !== undefined) return seconds;
  throw new CommandError(`task ${id}: ttl "${ttl}" is no duration; it must be like 10m`);
}

function scheduleOf({ schedule }: IndexedTask, target: Target): DeployedTask["schedule"] {
  const { cron, timezone, environments: wanted } = schedule ?? {};
  if (cron === undefined || (wanted && !wanted.includes(environments[target]))) return undefined;
  return { cron, timezone };
}

const defined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
