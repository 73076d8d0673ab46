/**
 * What expires, filed by the hour, so that the sweeper reads what is due and nothing of what stays:
 *
 *   ns/<namespace>/expiry/ended/<hour>/run.<inverted time>.<name>.<uid>   a run in history, by its end
 *   ns/<namespace>/expiry/ended/<hour>/batch.<name>.<uid>                 a retired batch, by its end
 *   ns/<namespace>/expiry/keys/<hour>/<hash>                              records of a key, by their expiry
 *
 * An entry is written before what it is about, and deleted after it: one that is about nothing does no harm.
 * The name says all that is needed, but for the key of a run's payload, which is the entry's text.
 */
import type { ObjectMeta, TaskRun } from "../model/resources.ts";
import { historyCursor } from "./layout.ts";
import { objectsBelow } from "./listing.ts";
import type { NamespaceStore, Stores } from "./objectStore.ts";

type Meta = Pick<ObjectMeta, "namespace" | "name" | "uid">;
type Writer = Stores<"put">;

export const endedPrefix = (namespace: string): string => `ns/${namespace}/expiry/ended/`;
export const keyExpiryPrefix = (namespace: string): string => `ns/${namespace}/expiry/keys/`;

/** The text of an entry that needs none; some S3 clients take no empty body. */
const none = "-";
const text = { type: "text/plain" };
const hourOf = (ms: number): string => new Date(ms).toISOString().slice(0, 13);

export const fileRun = (store: Writer, { metadata, spec, status }: TaskRun): Promise<void> =>
  fileEntry(
    store,
    `${metadata.namespace}`,
    Date.parse(status?.finishedAt ?? metadata.creationTimestamp ?? ""),
    `run.${historyCursor(metadata)}`,
    spec.payloadRef?.key,
  );

/** The same for a run of which only the end of its key in the index of history is known. */
export const fileCursor = (
  store: Writer,
  namespace: string,
  cursor: string,
  endedMs: number,
  payloadKey?: string,
): Promise<void> => fileEntry(store, namespace, endedMs, `run.${cursor}`, payloadKey);

export const fileBatch = (store: Writer, { namespace, name, uid }: Meta, endedMs: number): Promise<void> =>
  fileEntry(store, namespace, endedMs, `batch.${name}.${uid}`);

const fileEntry = (
  store: Writer,
  namespace: string,
  endedMs: number,
  name: string,
  payloadKey = none,
): Promise<void> =>
  store.of(namespace).put(`${endedPrefix(namespace)}${hourOf(endedMs)}/${name}`, payloadKey, text);

export const fileKey = (store: Writer, namespace: string, hash: string, expiresMs: number): Promise<void> =>
  store.of(namespace).put(`${keyExpiryPrefix(namespace)}${hourOf(expiresMs)}/${hash}`, none, text);

export interface Entry {
  key: string;
  /** What follows the hour. */
  name: string;
  /** Whether its text is the key of a payload. */
  hasPayload: boolean;
}

/** The entries of hours that are over at this time, the oldest first. */
export async function* entriesBefore(
  store: Pick<NamespaceStore, "list">,
  prefix: string,
  ms: number,
): AsyncGenerator<Entry, void, undefined> {
  const end = hourOf(ms);
  for await (const { key, size } of objectsBelow(store, prefix)) {
    const slash = key.indexOf("/", prefix.length);
    if (key.slice(prefix.length, slash) >= end) return;
    yield { key, name: key.slice(slash + 1), hasPayload: size > none.length };
  }
}

export type Ended = { kind: "run" | "batch"; name: string; uid: string; cursor: string };

/** Undefined for a name that is none of ours. Names of runs have dots, uids have none. */
export function parseEnded(entry: string): Ended | undefined {
  const run = /^run\.(\d{13}\.([^/]+)\.([^./]+))$/.exec(entry);
  if (run) return { kind: "run", cursor: run[1] ?? "", name: run[2] ?? "", uid: run[3] ?? "" };
  const batch = /^batch\.([^/]+)\.([^./]+)$/.exec(entry);
  return batch ? { kind: "batch", cursor: "", name: batch[1] ?? "", uid: batch[2] ?? "" } : undefined;
}
