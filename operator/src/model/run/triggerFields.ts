/**
 * What is true of each field of a TaskRun's spec. The lists that the schema, the API and the history need are
 * derived from this table; a new field does not compile without its row.
 */
import type { TaskRunSpec } from "../schema/taskRunFields.ts";

type TriggerField = keyof TaskRunSpec;

interface Traits {
  /**
   * Whether the field of an existing run may change. `untilQueued`: only that of a debounced run, by a later
   * trigger. `unchecked`: the API server cannot compare it; the controller fails a run whose payload is not
   * the accepted one.
   */
  changes: "never" | "untilQueued" | "always" | "unchecked";
  /** The client's trigger option that sets it; absent: no option does. */
  option?: string;
  /**
   * A debounced trigger in trailing mode replaces it: always, or only when the trigger has one of its own.
   */
  trailing?: "always" | "whenGiven";
  /** A replay copies it. */
  replay?: true;
  /** It is part of a retired run's summary, so that lists can show it and filter by it. */
  summary?: true;
}

export const triggerFields = {
  task: { changes: "never", summary: true },
  container: { changes: "never" },
  payload: { changes: "unchecked" },
  payloadData: { changes: "untilQueued", trailing: "always" },
  payloadType: { changes: "untilQueued", trailing: "always" },
  payloadRef: { changes: "untilQueued", trailing: "always" },
  queue: { changes: "never", option: "queue", replay: true, summary: true },
  concurrencyKey: { changes: "never", option: "concurrencyKey", replay: true, summary: true },
  priority: { changes: "never", option: "priority", replay: true },
  delayUntil: { changes: "always", option: "delay", summary: true },
  ttlSeconds: { changes: "never", option: "ttl", summary: true },
  idempotencyKey: { changes: "never", option: "idempotencyKey", summary: true },
  idempotencyKeyTTLSeconds: { changes: "never", option: "idempotencyKeyTTL" },
  idempotencyKeyGeneration: { changes: "never" },
  maxAttempts: { changes: "untilQueued", option: "maxAttempts", trailing: "whenGiven", replay: true },
  retry: { changes: "never" },
  maxDurationSeconds: { changes: "untilQueued", option: "maxDuration", trailing: "whenGiven", replay: true },
  startTimeoutSeconds: { changes: "never" },
  machine: { changes: "untilQueued", option: "machine", trailing: "whenGiven", replay: true, summary: true },
  podTemplate: { changes: "never" },
  version: { changes: "never", option: "lockToVersion" },
  tags: { changes: "always", option: "tags", trailing: "whenGiven", replay: true, summary: true },
  metadata: { changes: "always", option: "metadata", trailing: "whenGiven", replay: true, summary: true },
  parent: { changes: "never" },
  batch: { changes: "never", summary: true },
  schedule: { changes: "never", summary: true },
  replayOf: { changes: "never", summary: true },
  debounce: { changes: "never", option: "debounce" },
  test: { changes: "never", option: "test", replay: true, summary: true },
  cancelRequested: { changes: "always" },
  ttlSecondsAfterFinished: { changes: "always" },
} as const satisfies Record<TriggerField, Traits>;

type Table = typeof triggerFields;
/** The fields that have such a trait. */
type FieldsWith<T> = { [F in TriggerField]: Table[F] extends T ? F : never }[TriggerField];
export type OptionField = FieldsWith<{ option: string }>;
export type SummaryField = FieldsWith<{ summary: true }>;

const rows = Object.entries(triggerFields) as [TriggerField, Traits][];
const fieldsWhere = (test: (traits: Traits) => boolean): TriggerField[] =>
  rows.filter(([, traits]) => test(traits)).map(([field]) => field);

export const immutableFields = fieldsWhere(({ changes }) => changes === "never");
export const untilQueuedFields = fieldsWhere(({ changes }) => changes === "untilQueued");
const summaryFields = fieldsWhere(({ summary }) => summary === true);

export const summarySpec = (spec: TaskRunSpec): Pick<TaskRunSpec, SummaryField> => ({
  ...Object.fromEntries(summaryFields.map((field) => [field, spec[field]])),
  metadata: listedMetadata(spec),
});

/** Lists leave out longer metadata: a page of them would fill an answer, and all of them the memory. */
const maxListedMetadataBytes = 8 * 1024;
export const listedMetadata = ({ metadata }: TaskRunSpec): unknown =>
  metadata !== undefined && JSON.stringify(metadata).length > maxListedMetadataBytes ? undefined : metadata;

/** What a trailing trigger changes in the spec of its key's delayed run; `undefined` removes a field. */
export const trailingSpec = (given: TaskRunSpec): Partial<TaskRunSpec> =>
  Object.fromEntries(
    rows
      .filter(([field, { trailing }]) => trailing === "always" || (trailing && given[field] !== undefined))
      .map(([field]) => [field, given[field]]),
  );

/** The options that a replay repeats, by the client's names. */
export const replayOptions = (spec: TaskRunSpec): Record<string, unknown> =>
  Object.fromEntries(
    rows.flatMap(([field, { option, replay }]) => (option && replay ? [[option, spec[field]]] : [])),
  );
