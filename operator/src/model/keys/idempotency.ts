/**
 * Idempotency without a lock: a keyed run's name is derived from its key, so the API server decides which of
 * two triggers was first. `generation` counts how often the key was free again before.
 *
 * A key is held while its run is unfinished, completed or canceled; it is free, for the next generation, when
 * the run ended in another way, or its lifetime (30 days from the run's creation by default) is over.
 */
import { keyResetAnnotation } from "@fairlead/protocol/labels";
import type { Phase, TaskRun } from "../resources.ts";
import { digest, nameOfDigest } from "./names.ts";

export const defaultKeySeconds = 30 * 24 * 3600;

/** A run that ended so leaves its key to the next generation. */
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

export const keyedRunName = (namespace: string, task: string, key: string, generation: number): string =>
  nameOfDigest("k", digest("run", namespace, task, key, String(generation)));

/** When the key of a run is free at the latest, in milliseconds since the epoch. */
export function keyExpiresAt(run: TaskRun): number {
  const seconds = run.spec.idempotencyKeyTTLSeconds ?? defaultKeySeconds;
  return Date.parse(run.metadata.creationTimestamp ?? "") + seconds * 1000;
}

/** What decides whether a key is held: of a live run, or of the record of a retired one. */
interface KeyUse {
  phase: Phase | undefined;
  /** The key was reset. */
  freed: boolean;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

export const isHeld = ({ phase, freed, expiresAt }: KeyUse, nowMs: number): boolean =>
  !freed && !freeing.has(phase) && nowMs < expiresAt;

export const holdsKey = (run: TaskRun, nowMs: number): boolean =>
  isHeld(
    {
      phase: run.status?.phase,
      freed: run.metadata.annotations?.[keyResetAnnotation] === "true",
      expiresAt: keyExpiresAt(run),
    },
    nowMs,
  );
