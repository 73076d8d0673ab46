/**
 * What a list of scopes allows. A scope is compared as a whole text, so one that is malformed, or of another
 * kind, grants nothing:
 *
 *   read:runs, read:runs:<id>     all runs, that run        read:all            everything that can be read
 *   read:tags:<tag>               runs with the tag         read:queues         queues
 *   read:tasks:<id>               runs of the task          write:runs[:<id>]   cancel, reschedule, tags …
 *   read:batch:<id>               the batch, its runs       write:tasks[:<id>]  trigger and batchTrigger
 *   trigger:tasks[:<id>]          one run at a time         admin               all of these
 *   batchTrigger:tasks[:<id>]     batches
 *
 * A scope without an id counts for every subject of its kind: `read:tags` for every run that has a tag.
 */

export type Verb = "read" | "write" | "trigger" | "batchTrigger";

/** What is asked about: an object has several names, and a right to one of them is enough. */
export interface Subject {
  /** `run_<name>`; of a run that is asked for under its uid, with it. */
  runs?: string;
  tags?: readonly string[];
  /** A task's id. */
  tasks?: string;
  /** `batch_<name>`. */
  batch?: string;
  queues?: string;
}

/** Beside the scope of the verb itself. */
const alsoGranting: Record<Verb, (kind: string, id: string) => string[]> = {
  read: (kind) => ["read:all", ...(kind === "batch" ? ["read:runs"] : [])],
  write: () => [],
  trigger: (_kind, id) => ["write:tasks", `write:tasks:${id}`],
  batchTrigger: (_kind, id) => ["write:tasks", `write:tasks:${id}`],
};

/** Whether a scope of the list allows it. */
export function grants(scopes: readonly string[], verb: Verb, subject: Subject): boolean {
  if (scopes.includes("admin")) return true;
  return Object.entries(subject).some(([kind, ids]: [string, string | readonly string[] | undefined]) =>
    [ids ?? []]
      .flat()
      .some(
        (id) =>
          id !== "" &&
          [`${verb}:${kind}`, `${verb}:${kind}:${id}`, ...alsoGranting[verb](kind, id)].some((scope) =>
            scopes.includes(scope),
          ),
      ),
  );
}

/** Whether it may be allowed for some subject of that kind: what is asked before the subject is known. */
export function grantsSome(scopes: readonly string[], verb: Verb, kind: keyof Subject): boolean {
  const whole = [`${verb}:${kind}`, ...alsoGranting[verb](kind, "")].filter((scope) => !scope.endsWith(":"));
  const parts = [`${verb}:${kind}:`, ...(verb === "read" || verb === "write" ? [] : ["write:tasks:"])];
  const isSome = (scope: string): boolean =>
    whole.includes(scope) || parts.some((part) => scope.startsWith(part) && scope.length > part.length);
  return scopes.includes("admin") || scopes.some(isSome);
}

/** Rights of a secret key (auth/apiKeys.ts), as scopes. */
export const keyScopes: Record<KeyRight, readonly string[]> = {
  trigger: ["write:tasks"],
  read: ["read:all"],
  manage: ["admin"],
};

export const keyRights = ["trigger", "read", "manage"] as const;
export type KeyRight = (typeof keyRights)[number];
