/**
 * The kinds of group fairlead.dev as full Kubernetes objects. Specs and statuses are inferred from schema/.
 */
import type { TaskSpec, TaskStatus } from "./schema/task.ts";
import type { TaskBatchSpec, TaskBatchStatus } from "./schema/taskBatch.ts";
import type { TaskQueueSpec, TaskQueueStatus } from "./schema/taskQueue.ts";
import type { TaskRunStatus } from "./schema/taskRun.ts";
import type { TaskRunSpec } from "./schema/taskRunFields.ts";
import type { TaskScheduleSpec, TaskScheduleStatus } from "./schema/taskSchedule.ts";
import type { WaitTokenSpec, WaitTokenStatus } from "./schema/waitToken.ts";

export const group = "fairlead.dev";
export const version = "v1alpha1";
export const apiVersion = `${group}/${version}`;

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** The part of metadata that Fairlead reads; what the API server sends always has name, namespace and uid. */
export interface ObjectMeta {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
}

export interface Task {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: TaskSpec;
  status?: TaskStatus;
}

export interface TaskRun {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: TaskRunSpec;
  status?: TaskRunStatus;
}

export interface TaskBatch {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: TaskBatchSpec;
  status?: TaskBatchStatus;
}

export interface TaskQueue {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: TaskQueueSpec;
  status?: TaskQueueStatus;
}

export interface TaskSchedule {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: TaskScheduleSpec;
  status?: TaskScheduleStatus;
}

export interface WaitToken {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: WaitTokenSpec;
  status?: WaitTokenStatus;
}

export type { TaskSpec, TaskStatus } from "./schema/task.ts";
export type { BatchItem, BatchPhase, TaskBatchSpec, TaskBatchStatus } from "./schema/taskBatch.ts";
export type { TaskQueueSpec, TaskQueueStatus } from "./schema/taskQueue.ts";
export type { Attempt, OutputRef, Phase, RunError, TaskRunStatus } from "./schema/taskRun.ts";
export type { Container, PodTemplate, Retry, TaskRunSpec } from "./schema/taskRunFields.ts";
export type { TaskScheduleSpec, TaskScheduleStatus } from "./schema/taskSchedule.ts";
export type { WaitTokenSpec, WaitTokenStatus } from "./schema/waitToken.ts";

/** The id that code triggers a Task by. */
export const idOfTask = (task: Task): string => task.spec.id ?? task.metadata.name;

/** The name that runs call a TaskQueue by. */
export const nameOfQueue = (queue: TaskQueue): string => queue.spec.name ?? queue.metadata.name;
