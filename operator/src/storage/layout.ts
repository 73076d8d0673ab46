/**
 * Where things are in the bucket.
 *
 *   ns/<namespace>/runs/<name>.<uid>/payload
 *   ns/<namespace>/runs/<name>.<uid>/attempts/<n>.<pod uid>/output     and `log` beside it
 *   ns/<namespace>/runs/<name>.<uid>/attempts/<n>.container/output     of an inline container
 *
 * The uid keeps a run apart from an earlier one of the same name, the pod's uid an attempt from a pod that should
 * not have been. An inline container is given its URL before it has a pod. No key is the beginning of another one
 * followed by a slash: file systems behind a bucket cannot hold both.
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
