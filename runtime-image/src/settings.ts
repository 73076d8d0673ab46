/**
 * Settings in the code of a task that are fields of the Task resource. They do not count: queue, machine and
 * ttl are needed before any code is loaded, and a setting at two places would have two truths. The log of the
 * run says which they are.
 */
import type { SentContext } from "@fairlead/protocol/context";

type Context = SentContext<Date>;

/** By the option's name: the field that counts, and what this run has. */
const fields: Record<string, { field: string; effective?: (ctx: Context) => unknown }> = {
  retry: { field: "retry", effective: ({ run }) => ({ maxAttempts: run.maxAttempts }) },
  queue: { field: "queue", effective: ({ queue }) => queue },
  machine: { field: "machine", effective: ({ machine }) => machine?.name ?? "none" },
  maxDuration: { field: "maxDurationSeconds", effective: ({ run }) => run.maxDuration },
  ttl: { field: "ttlSeconds" },
};
const valueShown = 200;

/** The line for the log; undefined when the code has no such setting, or they are as the run has them. */
export function settingsLine(task: object, ctx: Context): string | undefined {
  const given = Object.entries(fields).flatMap(([name, { field, effective }]) => {
    const value = (task as Record<string, unknown>)[name];
    if (value === undefined) return [];
    const has = effective?.(ctx);
    if (has !== undefined && text(value) === text(has)) return [];
    return [
      `${name} ${text(value)} (spec.${field}${has === undefined ? "" : `, this run has ${text(has)}`})`,
    ];
  });
  if (given.length === 0) return undefined;
  return `task("${ctx.task.id}"): settings in the code do not count, set them in the Task resource: ${given.join("; ")}`;
}

function text(value: unknown): string {
  let shown: string;
  try {
    shown = JSON.stringify(value) ?? String(value);
  } catch {
    shown = typeof value;
  }
  return shown.length > valueShown ? `${shown.slice(0, valueShown)}…` : shown;
}
