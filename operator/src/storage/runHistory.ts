/**
 * History: a retired run is one compressed object, found by its name, and a small summary whose key sorts by
 * creation, newest first, so that a page of the list is one listing. Nothing but the bucket is needed to find
 * and read it. Both writes may be repeated.
 */
import type { TaskRun } from "../model/resources.ts";
import { type SummaryField, summarySpec } from "../model/run/triggerFields.ts";
import { getJson, putJson } from "./gzipJson.ts";
import { historyIndexKey, historyIndexPrefix, historyKey } from "./layout.ts";
import type { ObjectStore } from "./objectStore.ts";

/** The fields of a run that a list shows and filters by. */
export interface RunSummary {
  name: string;
  uid: string;
  createdAt: string;
  labels?: Record<string, string>;
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

export async function writeHistory(store: Pick<ObjectStore, "put">, run: TaskRun): Promise<void> {
  const { namespace, name } = run.metadata;
  await putJson(store, historyKey(namespace, name), run);
  // The summary comes last, so that a run that is listed can be read.
  await store.put(historyIndexKey(run.metadata), JSON.stringify(summaryOf(run)), {
    type: "application/json",
  });
}

export const readHistory = (
  store: Pick<ObjectStore, "get">,
  namespace: string,
  name: string,
): Promise<TaskRun | undefined> => getJson(store, historyKey(namespace, name));

/** The next `limit` retired runs after the cursor, newest first by creation. */
export async function listHistory(
  store: Pick<ObjectStore, "get" | "list">,
  namespace: string,
  options: { after?: string; limit: number },
): Promise<HistoryPage> {
  const prefix = historyIndexPrefix(namespace);
  const startAfter = options.after === undefined ? undefined : prefix + options.after;
  const { objects, more } = await store.list(prefix, { startAfter, limit: options.limit });
  const read = await Promise.all(objects.map(({ key }) => store.get(key, { maxBytes: maxSummaryBytes })));
  // A summary may have been swept since the listing.
  const runs = read.flatMap((object) =>
    object ? [JSON.parse(new TextDecoder().decode(object.body)) as RunSummary] : [],
  );
  const last = objects.at(-1);
  return { runs, next: more && last ? last.key.slice(prefix.length) : undefined };
}

export function summaryOf({ metadata, spec, status = {} }: TaskRun): RunSummary {
  const { phase, reason, attempt, version, queue, queuedAt, startedAt, finishedAt, duplicateOf } = status;
  return {
    name: metadata.name,
    uid: metadata.uid,
    createdAt: metadata.creationTimestamp ?? "",
    labels: metadata.labels,
    spec: summarySpec(spec),
    status: { phase, reason, attempt, version, queue, queuedAt, startedAt, finishedAt, duplicateOf },
  };
}
