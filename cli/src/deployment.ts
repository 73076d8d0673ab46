/** What `deploy` sends of what the code says: pure. Settings of the code win over the config's defaults. */

import { parseDuration } from "@fairlead/protocol/durations";
import { machineNames } from "@fairlead/protocol/machines";
import type { IndexedTask, TaskIndex } from "@fairlead/protocol/taskIndex";
import type { Defaults } from "./build/manifest.ts";
import { CommandError } from "./errors.ts";

export interface DeployedTask {
  id: string;
  entry: string;
  queue?: { name?: string; concurrencyLimit?: number };
  retry?: object;
  machine?: string;
  maxDurationSeconds?: number;
  ttlSeconds?: number;
  schedule?: { cron: string; timezone?: string };
}

const retryFields = [
  "maxAttempts",
  "factor",
  "minTimeoutInMs",
  "maxTimeoutInMs",
  "randomize",
  "outOfMemory",
] as const;

/** `entryOf`: the module in the bundle of a file that was indexed. */
export function deployedTasks(
  { tasks }: TaskIndex,
  defaults: Defaults,
  entryOf: (file: string) => string,
): DeployedTask[] {
  return tasks.map((task) => {
    const maxDuration = task.maxDuration ?? defaults.maxDuration;
    return defined({
      id: task.id,
      entry: entryOf(task.file),
      queue: task.queue && defined({ name: task.queue.name, concurrencyLimit: task.queue.concurrencyLimit }),
      retry: retryOf({ ...defaults.retry, ...task.retry }),
      machine: machineOf(task),
      maxDurationSeconds:
        maxDuration === undefined || maxDuration >= noMaxDuration
          ? undefined
          : Math.max(5, Math.round(maxDuration)),
      ttlSeconds: ttlOf(task, task.ttl ?? defaults.ttl),
      schedule: task.schedule,
    });
    function machineOf({ id, machine: own }: IndexedTask): string | undefined {
      const name = own ?? defaults.machine;
      if (name === undefined || (machineNames as readonly string[]).includes(name)) return name;
      throw new CommandError(`task ${id}: machine "${name}" is none; it must be ${machineNames.join(", ")}`);
    }
  });
}

/** `timeout.None` is the largest number that 32 bits hold. */
const noMaxDuration = 2 ** 31 - 1;

function ttlOf({ id }: IndexedTask, ttl: string | number | undefined): number | undefined {
  if (ttl === undefined || typeof ttl === "number") return ttl;
  const seconds = parseDuration(ttl);
  if (seconds !== undefined) return seconds;
  throw new CommandError(`task ${id}: ttl "${ttl}" is no duration; it must be like 10m`);
}

function retryOf(retry: Record<string, unknown>): object | undefined {
  const known = retryFields.flatMap((field) =>
    retry[field] === undefined ? [] : [[field, retry[field]] as const],
  );
  return known.length === 0 ? undefined : Object.fromEntries(known);
}

const defined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
