/**
 * `/engine/v1`: the calls of a runner about its own attempt. Bearer: the attempt's token. None is needed:
 * without an answer the run settles by the termination message.
 *
 *   GET  attempt          → 200 AttemptAnswer
 *   GET  attempt/metadata    → 200 MetadataAnswer
 *   POST attempt/start    StartBody  → 204
 *   POST attempt/output   UploadBody → 200 UploadAnswer
 *   POST attempt/report   Report     → 204
 */
import type { StopType } from "./report.ts";

export const runnerApi = "/engine/v1";

export interface AttemptAnswer {
  /** Phase of the run. */
  phase?: string;
  /** Why the attempt is being stopped; absent when neither a user nor its maximum duration asked for it. */
  stopReason?: Exclude<StopType, "shutdown">;
}

export interface MetadataAnswer {
  /** `spec.metadata` of the TaskRun. */
  metadata: unknown;
}

export interface StartBody {
  podUid: string;
  startedAt: string;
}

/** Asks where to put an output of this size and media type. */
export interface UploadBody {
  podUid: string;
  size: number;
  type: string;
}

/** A presigned PUT of exactly that object, and its key in the bucket. */
export interface UploadAnswer {
  url: string;
  key: string;
}
