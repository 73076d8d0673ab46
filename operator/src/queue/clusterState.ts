/** The cluster's state as a rebuild and the sweeper need it: the truth that Redis is a cache of. */
import type { Grant, PendingRun } from "./admission.ts";

/** A run that holds a slot, by its status. */
export interface Holder extends Grant {
  queue: string;
  concurrencyKey?: string;
  /**
   * Its phase is Starting and it has no Job yet: a rebuild lets it keep its slot only where the limits leave
   * room.
   */
  tentative: boolean;
}

export interface QueueLimit {
  name: string;
  /** Undefined: unlimited. */
  limit?: number;
  paused: boolean;
}

export interface Limits {
  /** Of the namespace. Null: unlimited; undefined: unchanged, which after `begin` is unlimited. */
  namespace?: number | null;
  queues: QueueLimit[];
}

/**
 * Reads the state for a rebuild. Each call is a consistent read (never the cache), after all writes of this
 * process that could still arrive. The runs are read in one list: each is in `holders`, in `pending` or in
 * neither.
 */
export interface AdmissionSource {
  limits(namespace: string): Promise<Limits>;
  runs(namespace: string): Promise<{ holders: Holder[]; pending: PendingRun[] }>;
}
