/** A task's definition as the index shows it. Values of other kinds than the field has are left out. */
import type { IndexedQueue, IndexedTask } from "@fairlead/protocol/taskIndex";
import type { Definition } from "../host/catalog.ts";
import { jsonSchemaOf } from "./jsonSchema.ts";

/** `exports`: of the file that defined the task. */
export async function described(
  task: Definition,
  file: string,
  path: string,
  exports: object,
): Promise<IndexedTask> {
  const { id, description, queue, retry, machine, maxDuration, ttl, schedule, triggerSource } = task;
  const exportName = Object.entries(exports).find(
    ([, value]) => (typeof value === "object" || typeof value === "function") && value?.id === id,
  )?.[0];
  return withoutUndefined({
    id,
    file,
    at: task.at,
    exportName,
    description: ofType(description, "string"),
    queue: queue?.name || queue?.concurrencyLimit !== undefined ? queueOf(queue) : undefined,
    retry: retry && retryOf(retry),
    machine: machineOf(machine),
    maxDuration: ofType(maxDuration, "number"),
    ttl: typeof ttl === "string" || typeof ttl === "number" ? ttl : undefined,
    schedule: schedule && withoutUndefined({ timezone: "UTC", ...schedule }),
    isScheduled: triggerSource === "schedule" ? true : undefined,
    payloadSchema: task.payloadSchema ?? (await jsonSchemaOf(task.schema, path)),
  });
}

export const queueOf = <T extends IndexedQueue | NonNullable<IndexedTask["queue"]>>(queue: T): T =>
  withoutUndefined({ name: queue.name, concurrencyLimit: ofType(queue.concurrencyLimit, "number") } as T);

function retryOf(retry: object): IndexedTask["retry"] {
  const given = retry as NonNullable<IndexedTask["retry"]>;
  const { maxAttempts, factor, minTimeoutInMs, maxTimeoutInMs, randomize, outOfMemory } = given;
  const machine = machineOf(outOfMemory?.machine);
  return withoutUndefined({
    maxAttempts: ofType(maxAttempts, "number"),
    factor: ofType(factor, "number"),
    minTimeoutInMs: ofType(minTimeoutInMs, "number"),
    maxTimeoutInMs: ofType(maxTimeoutInMs, "number"),
    randomize: ofType(randomize, "boolean"),
    outOfMemory: machine ? { machine } : undefined,
  });
}

/** Its preset's name, in either form. */
function machineOf(machine: unknown): string | undefined {
  if (typeof machine === "string") return machine;
  return ofType((machine as { preset?: unknown } | undefined)?.preset, "string");
}

interface Types {
  string: string;
  number: number;
  boolean: boolean;
}

const ofType = <T extends keyof Types>(value: unknown, type: T): Types[T] | undefined =>
  typeof value === type ? (value as Types[T]) : undefined;

const withoutUndefined = <T extends object>(object: T): T =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
