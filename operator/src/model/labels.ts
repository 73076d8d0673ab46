/** Labels that tie Jobs and pods to their run. Informers select on `managedBy`. */
export const managedBy = "app.kubernetes.io/managed-by";
export const runLabel = "fairlead.dev/run";
export const attemptLabel = "fairlead.dev/attempt";
export const taskLabel = "fairlead.dev/task";

export const managedSelector = `${managedBy}=fairlead`;

export const attemptSelector = (run: string, attempt: number): string =>
  `${managedSelector},${runLabel}=${run},${attemptLabel}=${attempt}`;
