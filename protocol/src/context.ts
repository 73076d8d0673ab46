/**
 * What a task's code learns about its run. The operator sends most of it with each attempt as JSON in
 * FAIRLEAD_CTX, with times in RFC 3339 (`SentContext`); the runner turns them into dates, and adds what the
 * API hands over. Field names are Trigger.dev's.
 */
import type { StopType } from "./report.ts";

/** What a task's code learns about its run. */
export interface TaskContext<Time = Date> {
  /** The task being run. */
  task: {
    /** Its id, as given to `task()`. */
    id: string;
  };
  /** The attempt under way. */
  attempt: {
    /** 1 for the first attempt. */
    number: number;
    /** When the attempt was given its slot in the queue. */
    startedAt: Time;
  };
  /** The run that the attempt belongs to. */
  run: {
    /** `run_` and the name of the TaskRun. */
    id: string;
    /** When the TaskRun was created. */
    createdAt: Time;
    /** When the run's first attempt began. */
    startedAt: Time;
    /** `spec.tags` of the TaskRun. */
    tags: string[];
    /** True for a run with `spec.test`. */
    isTest: boolean;
    /** Seconds that one attempt may run before it is stopped. */
    maxDuration?: number;
    /** Attempts in all, the first included. */
    maxAttempts?: number;
    /** Attempts lost to nodes and evictions; `maxAttempts` does not count them. */
    infrastructureRetries?: number;
    /** Seconds by which the run was moved ahead in its queue. */
    priority?: number;
    /** The key that the run was triggered with. */
    idempotencyKey?: string;
    /** Content hash of the Task that the run is pinned to. */
    version?: string;
    /** `spec.metadata` of the TaskRun. */
    metadata?: unknown;
  };
  /** The queue that the run waited in. */
  queue: {
    /** Its name; `task/<task id>` unless the run or its task names another. */
    name: string;
  };
  /** Where the run belongs. */
  environment: {
    /** The namespace of the TaskRun. */
    slug: string;
    /** Kind of environment. */
    type: "PRODUCTION" | "STAGING" | "DEVELOPMENT" | "PREVIEW";
  };
  /** The machine preset; absent when the container's resources were set otherwise. */
  machine?: {
    /** Name of the preset, for example `small-1x`. */
    name: string;
  };
}

/** What the answer to `attempt/start` has of the run: what a tenant wrote is in no pod's spec. */
type GivenAtStart = "tags" | "metadata" | "idempotencyKey";

/** The context as it is sent in FAIRLEAD_CTX. */
export interface SentContext<Time = string> extends Omit<TaskContext<Time>, "run"> {
  run: Omit<TaskContext<Time>["run"], GivenAtStart>;
  /** The run's retry policy; not a part of `ctx`. */
  retry?: SentRetry;
}

export interface SentRetry {
  maxAttempts: number;
  factor: number;
  minTimeoutInMs: number;
  maxTimeoutInMs: number;
  randomize: boolean;
  /** For one more attempt after one that was out of memory. */
  outOfMemoryMachine?: string;
}

/** Why a run is stopped; `signal.reason` of an aborted run. */
export interface StopReason extends Error {
  /**
   * `canceled`: a user canceled the run. `maxDuration`: the attempt ran longer than it may.
   * `shutdown`: the pod has to go (a drained node, a preemption); the attempt is tried again elsewhere.
   */
  readonly type: StopType;
}
