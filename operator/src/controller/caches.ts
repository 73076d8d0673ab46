/**
 * What the controller keeps a copy of, kept fresh by watches. A line here makes a field of `Deps`; a kind of
 * ours that has one needs a controller, which the compiler demands in controller.ts.
 */
import {
  attemptLabel,
  batchLabel,
  managedSelector,
  namespaceOwnerLabel,
  runUidLabel,
} from "@fairlead/protocol/labels";
import { jobProjection, podProjection } from "../jobs/projection.ts";
import { cacheOf } from "../kube/manager/caches.ts";
import { keyOfLabel } from "../kube/manager/controller.ts";
import { Jobs, Leases, Pods } from "../kube/resources.ts";
import { TaskBatches, TaskQueues, TaskRuns, TaskSchedules, Tasks, WaitTokens } from "../model/kinds.ts";
import { lineIndex, slotIndex } from "../model/run/waiting.ts";
import { taskIndex } from "./task/lookup.ts";
import { type CachedBatch, withoutItems } from "./taskBatch/cache.ts";
import { queueIndex } from "./taskQueue/lookup.ts";
import { attemptOfPod } from "./taskRun/attempt/livePods.ts";
import { type CachedRun, missingTaskIndex, toCachedRun } from "./taskRun/cache.ts";
import { recordIndex } from "./taskRun/keyRecords.ts";
import { type CachedSchedule, toCachedSchedule } from "./taskSchedule/cache.ts";
import { scheduleIndex } from "./taskSchedule/lookup.ts";

/** The uid of the run that a Job or a pod was made for. */
const runUidIndex = ({ metadata }: { metadata?: { labels?: Record<string, string> } }): string[] => {
  const uid = metadata?.labels?.[runUidLabel];
  return uid === undefined ? [] : [uid];
};

/** Kinds of Fairlead. */
const ours = {
  tasks: cacheOf(Tasks, { indexes: { id: taskIndex } }),
  runs: cacheOf<CachedRun>(TaskRuns, {
    transform: toCachedRun,
    indexes: {
      batch: keyOfLabel(batchLabel),
      missingTask: missingTaskIndex,
      waiting: ({ metadata, status }) => (status?.phase === "Waiting" ? [metadata.namespace] : []),
      parent: ({ spec }) => (spec.parent ? [spec.parent.uid] : []),
      record: recordIndex,
      slots: slotIndex,
      line: lineIndex,
    },
  }),
  batches: cacheOf<CachedBatch>(TaskBatches, { transform: withoutItems }),
  queues: cacheOf(TaskQueues, { indexes: { name: queueIndex } }),
  schedules: cacheOf<CachedSchedule>(TaskSchedules, {
    transform: toCachedSchedule,
    indexes: { task: scheduleIndex },
  }),
  waitTokens: cacheOf(WaitTokens),
};

export const cacheDeclarations = {
  ...ours,
  ownerLeases: cacheOf(Leases, { labelSelector: `${namespaceOwnerLabel}=true` }),
  jobs: cacheOf(Jobs, {
    labelSelector: managedSelector,
    transform: jobProjection,
    indexes: { runUid: runUidIndex },
  }),
  pods: cacheOf(Pods, {
    labelSelector: managedSelector,
    transform: podProjection,
    indexes: {
      attempt: ({ metadata }) => {
        const { [runUidLabel]: uid, [attemptLabel]: attempt } = metadata?.labels ?? {};
        return uid && attempt ? [attemptOfPod(uid, attempt)] : [];
      },
      runUid: runUidIndex,
    },
  }),
};

export type OwnKind = keyof typeof ours;
