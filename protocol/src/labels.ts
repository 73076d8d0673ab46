/** Labels and annotations on what Fairlead makes, and those that users select on. */

/** Ties a Job and its pod to their run, by name. */
export const runLabel = "fairlead.dev/run";
export const attemptLabel = "fairlead.dev/attempt";
export const taskLabel = "fairlead.dev/task";
/** Informers select on it. */
export const managedByLabel = "app.kubernetes.io/managed-by";
