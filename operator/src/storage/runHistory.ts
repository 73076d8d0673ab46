/**
 * History: a retired run is one compressed object, found by its name and uid, and a small summary whose key
 * sorts by creation, newest first, so that a page of the list is one listing. Nothing but the bucket is
 * needed to find and read it. Both writes may be repeated. A name that came again has several runs in
 * history; none hides or overwrites another.
 */
import { idempotencyKeyAnnotation } from "@fairlead/protocol/labels";
import { parseExact } from "../lib/exactJson.ts";
import type { TaskRun } from "../model/resources.ts";
import { type SummaryField, summarySpec } from "../model/run/triggerFields.ts";
import { fileRun } from "./expiry.ts";
import { getJson, putJson } from "./gzipJson.ts";
import { historyFolder, historyIndexKey, historyIndexPrefix, historyKey } from "./layout.ts";
import { objectsBelow } from "./listing.ts";
import type { Stores } from "./objectStore.ts";
import { readable, storedRun, summaryShape, unlessUnreadable } from "./stored.ts";

/** The fields of a run that a list shows and filters by. */
export interface RunSummary {
  name: string;
  uid: string;
  createdAt: string;
  /** Key of its payload in the bucket, which is deleted with it. */
  payloadKey?: string;
  labels?: Record<string, string>;
  /** The idempotency key as its user wrote it; that of the spec may be a hash of it. */
  shownKey?: string;
  spec: Pick<TaskRun["spec"], SummaryField>;
  status: Pick<
    NonNullable<TaskRun["status"]>,
    | "phase"
    | "reason"
    | "attempt"
    | "version"
    | "queue"
    | "queuedAt"
    | "startedAt"
    | "finishedAt"
    | "duplicateOf"
  >;
}

interface HistoryPage {
  runs: RunSummary[];
  /** Cursor of the next, older page; absent on the last one. */
  next?: string;
}

const maxSummaryBytes = 64 * 1024;
/** Runs of one name that are compared when they were retired in one second. */
const sameSecond = 10;

export async function writeHistory(stores: Stores<"put">, run: TaskRun): Promise<void> {
  // First: what is in history expires.
  await fileRun(stores, run);
  const store = stores.of(run.metadata.namespace);
  await putJson(store, historyKey(run.metadata), run);
  // The summary comes last, so that a run that is listed can be read.
  await store.put(historyIndexKey(run.metadata), JSON.stringify(summaryOf(run)), {
    type: "application/json",
  });
}

/** The retired run with this name and uid. */
export const readHistory = (
  stores: Stores<"get" | "unreadable">,
  namespace: string,
  { name, uid }: { name: string; uid: string },
): Promise<TaskRun | undefined> => {
  const identity = { namespace, name, uid };
  return getJson(stores.of(namespace), historyKey(identity), (value) => storedRun(value, identity));
};

/** The run that was retired last of those that had this name. */
export async function readLastHistory(
  stores: Stores<"get" | "list" | "unreadable">,
  namespace: string,
  name: string,
): Promise<TaskRun | undefined> {
  const store = stores.of(namespace);
  const folder = historyFolder(namespace, name);
  let newest: { key: string; modifiedMs: number }[] = [];
  for await (const object of objectsBelow(store, folder)) {
    const [{ modifiedMs } = object] = newest;
    if (object.modifiedMs > modifiedMs) newest = [];
    if (object.modifiedMs >= modifiedMs && newest.length < sameSecond) newest.push(object);
  }
  // The bucket counts seconds.
  const runs = await Promise.all(
    newest.map(({ key }) => {
      const uid = key.slice(folder.length).replace(/\.json\.gz$/, "");
      return readHistory(stores, namespace, { name, uid });
    }),
  );
  return runs
    .flatMap((run) => run ?? [])
    .reduce<TaskRun | undefined>((last, run) => (last && ended(last) >= ended(run) ? last : run), undefined);
}

const ended = ({ status }: TaskRun): string => status?.finishedAt ?? "";

/** The next `limit` retired runs after the cursor, newest first by creation. */
export async function listHistory(
  stores: Stores<"get" | "list" | "unreadable">,
  namespace: string,
  options: { after?: string; limit: number },
): Promise<HistoryPage> {
  const store = stores.of(namespace);
  const prefix = historyIndexPrefix(namespace);
  const startAfter = options.after === undefined ? undefined : prefix + options.after;
  const { objects, more } = await store.list(prefix, { startAfter, limit: options.limit });
  const read = await Promise.all(objects.map(({ key }) => store.get(key, { maxBytes: maxSummaryBytes })));
  const parsed = objects.map(async ({ key }, at) => {
    const object = read[at];
    // A summary may have been swept since the listing.
    return object && readable(store, key, () => parseSummary(namespace, key, object.body));
  });
  const runs = (await Promise.all(parsed.map((one) => one.catch(unlessUnreadable)))).flatMap(
    (one) => one ?? [],
  );
  const last = objects.at(-1);
  return { runs, next: more && last ? last.key.slice(prefix.length) : undefined };
}

/** Throws unless it is the summary that the key is of. */
export function parseSummary(namespace: string, key: string, body: Uint8Array): RunSummary {
  const summary = summaryShape.parse(parseExact(new TextDecoder().decode(body))) as unknown as RunSummary;
  const { name, uid, createdAt } = summary;
  if (key === historyIndexKey({ namespace, name, uid, creationTimestamp: createdAt })) return summary;
  throw new Error(`it is of the run ${name} (uid ${uid}), created at ${createdAt}`);
}

export function summaryOf({ metadata, spec, status = {} }: TaskRun): RunSummary {
  const { phase, reason, attempt, version, queue, queuedAt, startedAt, finishedAt, duplicateOf } = status;
  return {
    name: metadata.name,
    uid: metadata.uid,
    createdAt: metadata.creationTimestamp ?? "",
    ...(spec.payloadRef && { payloadKey: spec.payloadRef.key }),
    labels: metadata.labels,
    shownKey: metadata.annotations?.[idempotencyKeyAnnotation],
    spec: summarySpec(spec),
    status: { phase, reason, attempt, version, queue, queuedAt, startedAt, finishedAt, duplicateOf },
  };
}
