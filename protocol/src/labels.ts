/**
 * Every label and annotation that Fairlead sets or reads. Users select on them and other programs may; a
 * value once released keeps its meaning.
 *
 *   on Jobs, pods and ControllerRevisions   managed-by, run, run-uid, attempt, task, slot; pods: stopped-at
 *   on our own kinds                        origin, batch, schedule, project, deployment; annotations of keys
 *                                           and debouncing
 *   on namespaces and Secrets               environment, concurrency-limit; redacted-variables
 */

/** On pods: when they were asked to stop, by the controller's clock. */
export const stoppedAtAnnotation = "fairlead.dev/stopped-at";

/** On each object that Fairlead makes for a run or a Task. Informers select on it. */
export const managedByLabel = "app.kubernetes.io/managed-by";
export const managerName = "fairlead";
export const managedSelector = `${managedByLabel}=${managerName}`;

/** On Jobs and pods: the TaskRun's name. */
export const runLabel = "fairlead.dev/run";
/** On Jobs and pods: the TaskRun's uid. A name comes again, a uid does not. */
export const runUidLabel = "fairlead.dev/run-uid";
/** On Jobs and pods: the attempt's number. */
export const attemptLabel = "fairlead.dev/attempt";
/** On Jobs, pods and ControllerRevisions: the name of the Task resource. */
export const taskLabel = "fairlead.dev/task";

/** On Jobs and pods: the slot that the attempt holds, also without the TaskRun. JSON; jobs/slotNote.ts. */
export const slotAnnotation = "fairlead.dev/slot";

/** On Jobs: the retry policy that was resolved for the attempt. JSON; model/run/retryNote.ts. */
export const retryAnnotation = "fairlead.dev/retry";

/** On Jobs: what the attempt's code may do at the API. JSON; model/run/accessNote.ts. Absent: the default. */
export const accessAnnotation = "fairlead.dev/access";
/** On WaitTokens that a user did not ask for: "duration" remembers until when a run waits. */
export const purposeLabel = "fairlead.dev/purpose";

/** What created an object of ours. Absent: a user applied it. Retention removes only objects that have it. */
export const originLabel = "fairlead.dev/origin";
export type Origin = "api" | "batch" | "schedule" | "task" | "trigger";

/** On Tasks and TaskQueues that a deployment made: the project that they are part of. */
export const projectLabel = "fairlead.dev/project";
/** On the same: the deployment's version. */
export const deploymentAnnotation = "fairlead.dev/deployment";

/** On TaskRuns: name of the TaskBatch that the run belongs to. */
export const batchLabel = "fairlead.dev/batch";
/** On TaskRuns: name of the TaskSchedule that triggered the run. */
export const scheduleLabel = "fairlead.dev/schedule";
/** On TaskRuns: uid of that TaskSchedule. */
export const scheduleUidAnnotation = "fairlead.dev/schedule-uid";

/** On TaskRuns: the idempotency key as the user wrote it; the spec has the client's hash. */
export const idempotencyKeyAnnotation = "fairlead.dev/idempotency-key";
/** On TaskRuns: "true" once the run's idempotency key was reset. */
export const keyResetAnnotation = "fairlead.dev/idempotency-key-reset";
/**
 * On TaskBatches with a key or of a single-use token: seconds that it holds, counted from the batch's
 * creation.
 */
export const keyTtlAnnotation = "fairlead.dev/idempotency-key-ttl-seconds";
/** On TaskBatches that a public token made: its hash. No other public token adds items. */
export const tokenAnnotation = "fairlead.dev/public-token";
/** On debounced TaskRuns: ids of the requests that have been answered with this run, separated by commas. */
export const debouncedRequestsAnnotation = "fairlead.dev/debounced-requests";

/** On namespaces: dev, staging, prod or preview. */
export const environmentLabel = "fairlead.dev/environment";
/** On namespaces: how many of its runs may execute at once. */
export const concurrencyLimitAnnotation = "fairlead.dev/concurrency-limit";

/** On the Lease that says which release owns a namespace: "true". */
export const namespaceOwnerLabel = "fairlead.dev/namespace-owner";

/**
 * On a namespace's Secret of variables: names of those whose values the API does not show, separated by
 * commas.
 */
export const redactedVariablesAnnotation = "fairlead.dev/redacted-variables";
