/**
 * What is read back from the bucket: believed only as far as it has the shape that code relies on, and says
 * of itself what its key says. Whatever wrote it: an earlier release, a hand, an attacker with the bucket's
 * password. Shapes are wider than the resources' schemas: what was stored stays readable when those narrow.
 *
 * An object that fails is unreadable: its store counts and logs it. It costs itself: who asked for it is
 * told, a list or a sweep that met it goes on without it.
 */
import { z } from "zod";
import { parseExact } from "../lib/exactJson.ts";
import type { TaskBatch, TaskRun } from "../model/resources.ts";
import { phases } from "../model/schema/taskRun.ts";
import type { NamespaceStore } from "./objectStore.ts";

export class UnreadableObject extends Error {
  override readonly name = "UnreadableObject";

  constructor(key: string, cause: unknown) {
    const why = cause instanceof z.ZodError ? issueOf(cause) : String(cause);
    super(`the object ${key} cannot be read: ${why.slice(0, 300)}`, { cause });
  }
}

/** What `read` makes of an object. Throws only UnreadableObject, when it is noted. */
export async function readable<T>(
  store: Pick<NamespaceStore, "unreadable">,
  key: string,
  read: () => T | Promise<T>,
): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const error = new UnreadableObject(key, cause);
    store.unreadable(key, error);
    throw error;
  }
}

/** For `catch`, where what cannot be read is left out. */
export function unlessUnreadable(error: unknown): undefined {
  if (!(error instanceof UnreadableObject)) throw error;
}

const issueOf = ({ issues: [first] }: z.ZodError): string => `${first?.path.join(".")}: ${first?.message}`;

const word = z.string();
const optional = word.optional();
const time = z.iso.datetime({ offset: true });

const spec = z.looseObject({
  task: optional,
  container: z.looseObject({ image: word }).optional(),
  queue: z.looseObject({ name: optional }).optional(),
  concurrencyKey: optional,
  delayUntil: optional,
  ttlSeconds: z.number().optional(),
  idempotencyKey: optional,
  payloadData: optional,
  payloadType: optional,
  payloadRef: z.looseObject({ key: word, size: z.number().optional() }).optional(),
  machine: optional,
  tags: z.array(word).optional(),
  batch: z.looseObject({ name: word, index: z.number() }).optional(),
  schedule: z.looseObject({ name: word }).optional(),
  test: z.boolean().optional(),
});

const error = z.looseObject({ name: word, message: word });
const status = z.looseObject({
  phase: z.enum(phases).optional(),
  reason: optional,
  message: optional,
  attempt: z.number().optional(),
  version: optional,
  queue: optional,
  queuedAt: optional,
  startedAt: optional,
  finishedAt: optional,
  duplicateOf: z.looseObject({ name: word, uid: word }).optional(),
  outputRef: z.looseObject({ key: word, size: z.number(), type: word }).optional(),
  error: error.optional(),
  attempts: z.array(z.looseObject({ number: z.number(), error: error.optional() })).optional(),
});

const labels = z.record(word, word).optional();
export const summaryShape = z.looseObject({
  name: word,
  uid: word,
  createdAt: time,
  payloadKey: optional,
  labels,
  shownKey: optional,
  spec,
  status,
});

const metadata = z.looseObject({
  namespace: word,
  name: word,
  uid: word,
  creationTimestamp: time.optional(),
  labels,
  annotations: labels,
});
const ref = z.looseObject({ key: word, size: z.number() });
const run = z.looseObject({ metadata, spec, status: status.optional() });
const batch = z.looseObject({
  metadata,
  spec: z.looseObject({ expectedCount: z.number().optional(), items: z.array(z.unknown()).optional() }),
  status: z
    .looseObject({
      phase: optional,
      finishedAt: optional,
      resultsRef: ref.optional(),
      counts: z.looseObject({ total: z.number() }).optional(),
    })
    .optional(),
});
const result = z.looseObject({
  index: z.int().min(0),
  phase: word,
  run: z.looseObject({ name: word, uid: optional }).optional(),
  error: error.optional(),
  outputRef: z.looseObject({ key: word, size: z.number(), type: word }).optional(),
});

type Identity = { namespace: string; name: string; uid: string };

/** Throws unless it is a run of that identity. */
export const storedRun = (value: unknown, identity: Identity): TaskRun =>
  identified(run.parse(value), identity) as unknown as TaskRun;

export const storedBatch = (value: unknown, identity: Identity): TaskBatch =>
  identified(batch.parse(value), identity) as unknown as TaskBatch;

const outcome = z.looseObject({
  index: z.int().min(0),
  kind: z.enum(["rejected", "deleted", "cached"]),
  message: optional,
  run: z.looseObject({ name: word, uid: word }).optional(),
});

/** One line of what a batch settled without a run. */
export const storedOutcome = (line: string) => outcome.parse(JSON.parse(line));

/** One line of a batch's results. */
export const storedResult = (line: string) => result.parse(parseExact(line));

function identified<T extends { metadata: Identity }>(value: T, { namespace, name, uid }: Identity): T {
  const { metadata: is } = value;
  if (is.namespace === namespace && is.name === name && is.uid === uid) return value;
  throw new Error(`it says that it is ${is.namespace}/${is.name} (uid ${is.uid})`);
}
