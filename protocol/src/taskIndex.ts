/**
 * What task files define: the output of `runner --index FILE…`, one JSON document on stdout. Settings are as
 * the code has them; what it does not say is absent.
 *
 *   exit code 0: all files were imported, and no id comes twice     1: not so, see `errors` and `duplicates`
 *             2: the command was not understood, there is no document
 */

export const taskIndexVersion = 1;

export interface TaskIndex {
  v: typeof taskIndexVersion;
  tasks: IndexedTask[];
  queues: IndexedQueue[];
  /** Ids that several tasks have. */
  duplicates: { id: string; at: string[] }[];
  errors: ImportError[];
  /** Variables that were not set, and had a stand-in while the files were imported. */
  standIns: string[];
  /** What the files want and this runner does not have. */
  notes: string[];
}

export interface IndexedTask {
  id: string;
  /** As it was given on the command line. */
  file: string;
  /** `FILE:LINE:COLUMN`, of the source where there is a source map. */
  at?: string;
  exportName?: string;
  description?: string;
  queue?: { name?: string; concurrencyLimit?: number };
  retry?: {
    maxAttempts?: number;
    factor?: number;
    minTimeoutInMs?: number;
    maxTimeoutInMs?: number;
    randomize?: boolean;
    outOfMemory?: { machine?: string };
  };
  /** Name of the preset. */
  machine?: string;
  /** Seconds. */
  maxDuration?: number;
  /** A duration, or seconds. */
  ttl?: string | number;
  /** What starts its runs by itself. */
  schedule?: { cron: string; timezone: string; environments?: string[] };
  /** True for a task of `schedules.task`: it expects the payload of a tick. */
  isScheduled?: boolean;
  /** JSON Schema of the payload, where the schema library offers one. */
  payloadSchema?: unknown;
}

export interface IndexedQueue {
  name: string;
  concurrencyLimit?: number;
}

export interface ImportError {
  /** As it was given on the command line. */
  file: string;
  name: string;
  message: string;
  /** `FILE:LINE:COLUMN` of the user's code. */
  at?: string;
  /** Variables that were read, or are named by the error, and are not set. */
  missingEnv?: string[];
}
