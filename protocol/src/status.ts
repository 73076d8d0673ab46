/** How the API names the state of runs and batches: Trigger.dev's words, of its client's version 4. */

/**
 * What a client sends in `x-trigger-api-version` to get these statuses; without it, it gets those of version
 * 3.
 */
export const currentApiVersion = "2025-07-16";
export const apiVersionHeader = "x-trigger-api-version";

/** All statuses of a run. */
export const runStatuses = [
  "PENDING_VERSION",
  "DELAYED",
  "QUEUED",
  "DEQUEUED",
  "EXECUTING",
  "WAITING",
  "COMPLETED",
  "CANCELED",
  "FAILED",
  "CRASHED",
  "SYSTEM_FAILURE",
  "EXPIRED",
  "TIMED_OUT",
] as const;

/** Where a run is in its life. */
export type RunStatus = (typeof runStatuses)[number];

/** Where a batch is in its life. */
export type BatchStatus = "PENDING" | "PROCESSING" | "COMPLETED" | "PARTIAL_FAILED" | "ABORTED";
