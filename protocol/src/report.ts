/**
 * What a runner says about its attempt: as JSON in the container's termination message, and the report also
 * as the body of a call of the API. Either copy of a report settles the run, both together settle it once.
 *
 *   nothing ─► stopping ─► a report      in the termination message: each replaces the one before it,
 *      └──────────────────────▲          and nothing replaces a report
 *
 * A container that fails while there is nothing (killed, aborted) gets the end of its log as its termination
 * message.
 */

/** Of the format; a runner and an operator that differ in it do not understand each other. */
export const reportVersion = 1;

/** Kinds of failure of an attempt. */
export const errorCodes = [
  "TASK_NOT_FOUND",
  "TASK_LOAD_ERROR",
  "TASK_ERROR",
  "UNCAUGHT_EXCEPTION",
  "UNHANDLED_REJECTION",
  "PROCESS_EXIT",
  "OUTPUT_NOT_SERIALIZABLE",
  "OUTPUT_TOO_LARGE",
  "OUTPUT_UPLOAD_FAILED",
  "PAYLOAD_ERROR",
  "ABORTED",
  "OUT_OF_MEMORY",
  "TASK_MIDDLEWARE_ERROR",
  "HANDLE_ERROR_ERROR",
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** In UTF-16 units. Longer ones are cut by the runner, and refused by the operator. */
export const errorLimits = { name: 256, message: 1024, stack: 8192 } as const;

/** Attempts of a run whose own code asks for each next one. Trigger.dev's limit. */
export const maxRequestedAttempts = 250;
/** A year. */
export const maxRetryDelayMs = 366 * 24 * 3_600_000;

export interface ReportedError {
  name: string;
  message: string;
  stack?: string;
  code?: ErrorCode;
  /** Whether another attempt may succeed. */
  retryable: boolean;
  /**
   * When the task's code says that another attempt is to follow: after so long, and whatever the retry
   * settings say; up to maxRequestedAttempts.
   */
  retryDelayMs?: number;
}

export interface ReportedOutput {
  /** Media type. */
  type: string;
  /** Bytes. */
  size: number;
  /** Object key in the bucket; absent when it could not be uploaded. */
  key?: string;
  /** In hex. */
  sha256?: string;
  /** The output itself, up to maxOutputCopyBytes. */
  data?: string;
}

/** What a mark and a report have in common. Times are RFC 3339. */
export interface ReportHead {
  v: typeof reportVersion;
  attempt: number;
  podUid: string;
  startedAt: string;
}

/** The result of an attempt. */
export interface Report extends ReportHead {
  outcome: "completed" | "failed";
  output?: ReportedOutput;
  error?: ReportedError;
  finishedAt: string;
}

/** Why a running attempt is asked to stop. */
export type StopType = "canceled" | "maxDuration" | "shutdown";

/**
 * What the termination message says once the attempt was asked to stop, while there is no result. When the
 * container then ends without a report,
 *
 *   killed     the task's code did not end within the grace period
 *   exited     the task's code ended because it was asked to
 */
export interface Progress {
  outcome: "stopping";
  stoppingAt: string;
  /** Follows when the API has answered. */
  reason?: StopType;
}

export type Mark = ReportHead & Progress;
