/**
 * `/engine/v1`: the calls of a pod about its own attempt. Bearer: the pod's token, a service account token of
 * the audience below that Kubernetes made for this pod alone; or, for all but the first two, the attempt's
 * token, which those answer.
 *
 *   POST attempt/start    StartBody  → 200 StartAnswer    the attempt has begun: what it is given
 *   POST attempt/token               → 200 TokenAnswer    before the token expires
 *   POST attempt/bundle   BundleBody → 200 BundleAnswer   where the parts of its code are
 *   GET  attempt                     → 200 AttemptAnswer
 *   POST attempt/output   UploadBody → 200 UploadAnswer
 *   POST attempt/report   Report     → 204
 *   POST attempt/wait     WaitBody   → 200 WaitAnswer     held while nothing is settled
 *
 * For any program, in an inline container:
 *
 *   GET  attempt/payload             → 200, or 307 to where it is
 *   GET  attempt/output              → 200, a URL to PUT the output to
 *   PUT  attempt/output              → 307 to there
 *
 * Without an answer to `start` nothing is executed. Afterwards none is needed: the run settles by the
 * termination message.
 */
import type { StopType } from "./report.ts";

export const runnerApi = "/engine/v1";

/** Of the pod's token. */
export const podTokenAudience = "fairlead";

export interface StartBody {
  startedAt: string;
}

export interface TokenAnswer {
  /** The attempt's token. */
  token: string;
  expiresInSeconds: number;
}

export interface StartAnswer extends TokenAnswer {
  /** Absent: the run has none. The text itself, or where to GET it. */
  payload?: { type: string; text: string } | { type: string; url: string };
  /** What the context in the container's variables lacks. */
  run: {
    tags: string[];
    metadata?: unknown;
    idempotencyKey?: string;
  };
}

/** SHA-256, in hex, of the parts of a task's archives. */
export interface BundleParts {
  code: string[];
  dependencies?: string[];
}

export interface BundleBody {
  parts: string[];
}

export interface BundleAnswer {
  /** By part: where to GET it. */
  urls: Record<string, string>;
}

export interface AttemptAnswer {
  /** Phase of the run. */
  phase?: string;
  /** Why the attempt is being stopped; absent when neither a user nor its maximum duration asked for it. */
  stopReason?: Exclude<StopType, "shutdown">;
}

/** Asks where to put an output of this size and media type. */
export interface UploadBody {
  size: number;
  type: string;
  /** In hex. With it the URL takes this content only. */
  sha256?: string;
}

/**
 * A presigned PUT of that many bytes with these headers, and the key that the report is to name. What is
 * there when the attempt settles is copied, and becomes the result: a later PUT changes nothing.
 */
export interface UploadAnswer {
  url: string;
  key: string;
  headers: Record<string, string>;
}

/** The attempt's code waits for all of these, and for nothing else. */
export interface WaitBody {
  /** Ids: `run_…`, `batch_…`, `waitpoint_…`. */
  on: readonly string[];
  /** The slot that the code knows to have, of the last answer; absent before the first. */
  slot?: number;
}

export const maxAwaited = 10_000;

/** Without a slot: nothing is settled yet, ask again. */
export interface WaitAnswer {
  /** The run has this slot: its code may go on. */
  slot?: number;
  /** What is settled, by id, each as the SDK's runtime gives it to code that waits for it. */
  results?: Record<string, object>;
}
