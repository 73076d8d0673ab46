/**
 * The layout of the bucket.
 *
 *   ns/<namespace>/runs/<name>.<uid>/payload
 *   ns/<namespace>/runs/<name>.<uid>/attempts/<n>.<pod uid>/output     and `log` beside it
 *   ns/<namespace>/runs/<name>.<uid>/attempts/<n>.container/output     of an inline container
 *   ns/<namespace>/runs/<name>.<uid>/attempts/<n>.<…>/output.<id>      the result: reportOutput.ts
 *   ns/<namespace>/payloads/<name>.<id>                                of a run that the API made
 *   ns/<namespace>/packets/<path>                                      what a client uploaded as a payload
 *   ns/<namespace>/history/runs/<name>/<uid>.json.gz                   a retired run
 *   ns/<namespace>/history/index/<inverted time>.<name>.<uid>          its summary; newest first by creation
 *   ns/<namespace>/records/<hash>/<inverted generation>                the record of a used key or name
 *   ns/<namespace>/batches/<name>.<uid>/…                              items and results of a batch, and
 *                                                                      `batch.json.gz` when it is retired
 *   ns/<namespace>/bundles/<sha256>                                    a part of the code of deployed Tasks
 *   ns/<namespace>/deployments/<project>/<version>.json                what was deployed, for a rollback
 *   ns/<namespace>/expiry/…                                            what expires, by the hour: expiry.ts
 *
 * Names come again. The uid distinguishes a run from an earlier one of the same name; the pod's uid
 * distinguishes the attempt's pod from one that should not exist. An inline container gets its URL before it
 * has a pod, hence `container`. No key is another key's folder: a bucket on a file system cannot hold both.
 */
import type { ObjectMeta } from "../model/resources.ts";

type RunMeta = Pick<ObjectMeta, "namespace" | "name" | "uid">;

const runPrefix = ({ namespace, name, uid }: RunMeta): string => `ns/${namespace}/runs/${name}.${uid}`;

export const payloadKey = (run: RunMeta): string => `${runPrefix(run)}/payload`;

export const outputKey = (run: RunMeta, attempt: number, podUid: string): string =>
  `${runPrefix(run)}/attempts/${attempt}.${podUid}/output`;

export const logKey = (run: RunMeta, attempt: number, podUid: string): string =>
  `${runPrefix(run)}/attempts/${attempt}.${podUid}/log`;

export const containerOutputKey = (run: RunMeta, attempt: number): string =>
  `${runPrefix(run)}/attempts/${attempt}.container/output`;

const recordsPrefix = (namespace: string): string => `ns/${namespace}/records/`;
/** The records of one key or name, a generation each. */
export const keyRecordsPrefix = (namespace: string, hash: string): string =>
  `${recordsPrefix(namespace)}${hash}/`;
/** Sorts the highest generation first. No writer of one generation can overwrite another's. */
export const keyRecordKey = (namespace: string, hash: string, generation: number): string =>
  keyRecordsPrefix(namespace, hash) + generationPart(generation);

export const generationPart = (generation: number): string =>
  String(latestGeneration - generation).padStart(10, "0");
const latestGeneration = 9_999_999_999;

/** Folder of everything that belongs to one run. */
export const runFolder = (run: RunMeta): string => `${runPrefix(run)}/`;

/** The retired runs that had this name, one after the other. */
export const historyFolder = (namespace: string, name: string): string =>
  `ns/${namespace}/history/runs/${name}/`;
export const historyKey = ({ namespace, name, uid }: RunMeta): string =>
  `${historyFolder(namespace, name)}${uid}.json.gz`;

export const historyIndexPrefix = (namespace: string): string => `ns/${namespace}/history/index/`;

const latestMs = 10 ** 13;

/** Sorts by time, the newest first. */
const invertedTime = (ms: number): string => String(latestMs - ms).padStart(13, "0");

export const historyIndexKey = (run: RunMeta & Pick<ObjectMeta, "creationTimestamp">): string =>
  historyIndexPrefix(run.namespace) + historyCursor(run);

/** The place of a run in a list that begins with the newest. */
export const historyCursor = ({
  name,
  uid,
  creationTimestamp,
}: Pick<ObjectMeta, "name" | "uid" | "creationTimestamp">): string =>
  `${invertedTime(Date.parse(creationTimestamp ?? ""))}.${name}.${uid}`;

export const batchesPrefix = (namespace: string): string => `ns/${namespace}/batches/`;
export const batchFolder = ({ namespace, name, uid }: RunMeta): string =>
  `${batchesPrefix(namespace)}${name}.${uid}/`;
export const batchRecordKey = (batch: RunMeta): string => `${batchFolder(batch)}batch.json.gz`;

/** Payload of a run that the API creates: written before the run has a uid, or exists. */
export const payloadsPrefix = (namespace: string): string => `ns/${namespace}/payloads/`;
export const triggerPayloadKey = (namespace: string, name: string, id: string): string =>
  `${payloadsPrefix(namespace)}${name}.${id}`;
/** The run's name in a key of that folder: names that the API makes have no dot. */
export const runOfPayload = (namespace: string, key: string): string =>
  key.slice(payloadsPrefix(namespace).length).split(".", 1)[0] ?? "";

/** What a client uploaded before it triggered. */
export const packetsPrefix = (namespace: string): string => `ns/${namespace}/packets/`;

/** Named by its content: what lies there is checked by whoever reads it. */
export const bundleKey = (namespace: string, sha256: string): string => `ns/${namespace}/bundles/${sha256}`;

export const deploymentsPrefix = (namespace: string, project: string): string =>
  `ns/${namespace}/deployments/${project}/`;
export const deploymentKey = (namespace: string, project: string, version: string): string =>
  `${deploymentsPrefix(namespace, project)}${version}.json`;
