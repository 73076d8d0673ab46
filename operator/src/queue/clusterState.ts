/** What a rebuild reads from the API server: the truth that Redis is a cache of. */
import type { Grant, PendingRun } from "./admission.ts";

/** A run that holds a slot, by its status. */
export interface Holder extends Grant {
  queue: string;
  concurrencyKey?: string;
  /** Starting, and no Job of it is there yet: it keeps its slot only if the limits leave room. */
  tentative: boolean;
}

export interface QueueLimit {
  name: string;
  /** None: unlimited. */
  limit?: number;
  paused: boolean;
}

export interface Limits {
  /** The namespace's: null is unlimited, undefined leaves it as it is (after a rebuild: unlimited). */
  namespace?: number | null;
  queues: QueueLimit[];
}

/**
 * Each call reads consistently (never the cache), and after all writes of this process that could still arrive.
 * The runs are read in one list: each is in `holders`, in `pending` or in neither.
 */
export interface AdmissionSource {
  limits(namespace: string): Promise<Limits>;
  runs(namespace: string): Promise<{ holders: Holder[]; pending: PendingRun[] }>;
}
