/**
 * Idempotency without a lock: a keyed run's name is derived from its key, so that the API server's AlreadyExists is
 * the arbiter. `generation` counts how often the key was free again before.
 *
 * A key is held while its run is unfinished, completed or canceled; it is free, for the next generation, when the run
 * ended in another way, or its lifetime (30 days from the run's creation by default) is over.
 */

import { createHash } from "node:crypto";
import { keyResetAnnotation } from "@fairlead/protocol/labels";
import type { Phase, TaskRun } from "../resources.ts";

export const defaultKeySeconds = 30 * 24 * 3600;

const keeping: ReadonlySet<Phase | undefined> = new Set(["Completed", "Canceled"]);
const freeing: ReadonlySet<Phase | undefined> = new Set([
  "Failed",
  "Crashed",
  "TimedOut",
  "Expired",
  "SystemFailure",
]);

/** 64 hex digits that stand for the key in the bucket. `task` is "" for an inline container. */
export const keyHash = (namespace: string, task: string, key: string): string =>
  digest("key", namespace, task, key);

/** Likewise for the name of an applied run, which is its key. */
export const appliedHash = (namespace: string, name: string): string => digest("name", namespace, name);

/** 25 lower-case letters and digits, a letter first. */
export function keyedRunName(namespace: string, task: string, key: string, generation: number): string {
  return nameOfDigest("k", digest("run", namespace, task, key, String(generation)));
}

/** A letter and 24 lower-case letters and digits. */
export const nameOfDigest = (letter: string, hash: string): string =>
  letter + BigInt(`0x${hash}`).toString(36).padStart(50, "0").slice(-24);

/** When the key of a run is free at the latest, in milliseconds since the epoch. */
export function keyExpiresAt(run: TaskRun): number {
  const seconds = run.spec.idempotencyKeyTTLSeconds ?? defaultKeySeconds;
  return Date.parse(run.metadata.creationTimestamp ?? "") + seconds * 1000;
}

export function keyState(run: TaskRun, nowMs: number): "held" | "free" {
  const isReset = run.metadata.annotations?.[keyResetAnnotation] === "true";
  return isReset || freeing.has(run.status?.phase) || nowMs >= keyExpiresAt(run) ? "free" : "held";
}

/** Whether a run that ended in this phase keeps its key. */
export const keepsKey = (phase: Phase | undefined): boolean => keeping.has(phase);

/** Parts are told apart by their lengths: no two lists of parts give the same text. */
export function digest(...parts: string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("hex");
}
