/**
 * What a list of scopes allows. A scope is compared as a whole text, so one that is malformed, or of another
 * kind, grants nothing:
 *
 *   read:runs, read:runs:<id>     all runs, that run        read:all            everything that can be read
 *   read:tags:<tag>               runs with the tag         read:queues         queues
 *   read:tasks:<id>               runs of the task          write:runs[:<id>]   cancel, replay
 *   read:batch:<id>               the batch, its runs       write:tasks[:<id>]  trigger, batchTrigger, cancel
 *   trigger:tasks[:<id>]          one run at a time         admin               all of these
 *   batchTrigger:tasks[:<id>]     batches                   write:waitpoints[:<id>] complete tokens
 *   read:waitpoints[:<id>]        tokens that runs wait for
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
  schedules?: string;
  /** `waitpoint_<name>`. */
  waitpoints?: string;
}

/** Beside the scope of the verb itself. */
const alsoGranting: Record<Verb, (kind: string, id: string) => string[]> = {
  read: (kind) => (kind === "batch" ? ["read:runs"] : []),
  write: () => [],
  trigger: (_kind, id) => ["write:tasks", `write:tasks:${id}`],
  batchTrigger: (_kind, id) => ["write:tasks", `write:tasks:${id}`],
};

/** Whether a scope of the list allows it. */
export function grants(scopes: readonly string[], verb: Verb, subject: Subject): boolean {
  if (scopes.includes("admin") || scopes.includes(`${verb}:all`)) return true;
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

/** Whether it is allowed for every subject of the kind. */
export const grantsAll = (scopes: readonly string[], verb: Verb, kind: keyof Subject): boolean =>
  ["admin", `${verb}:all`, `${verb}:${kind}`].some((scope) => scopes.includes(scope));

/** Whether it may be allowed for some subject of these kinds: what is asked before the subject is known. */
export function grantsSome(
  scopes: readonly string[],
  verb: Verb,
  kinds: readonly (keyof Subject)[],
): boolean {
  // A scope of one task, or of one run, and so on.
  const parts = kinds.map((kind) => `${verb}:${kind}:`);
  if (verb === "trigger" || verb === "batchTrigger") parts.push("write:tasks:");
  const whole = kinds.flatMap((kind) => alsoGranting[verb](kind, "")).filter((scope) => !scope.endsWith(":"));
  return (
    kinds.some((kind) => grantsAll(scopes, verb, kind)) ||
    scopes.some(
      (scope) => whole.includes(scope) || parts.some((part) => scope.startsWith(part) && scope !== part),
    )
  );
}
