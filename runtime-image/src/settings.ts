/**
 * Settings in the code of a task that are fields of the Task resource. In a run the resource counts, and what
 * the trigger said: queue and machine are needed before any code is loaded, and a setting at two places would
 * have two truths. Where the code says something else than the run has, the run's log says so.
 */
import type { TaskMetadata } from "@fairlead/sdk/slots";
import type { Environment } from "./environment.ts";

type Run = Pick<Environment, "ctx" | "retry">;

interface Difference {
  field: string;
  code: unknown;
  run: unknown;
}

/** The line for the log; undefined when the code has no such setting, or they are as the run has them. */
export function settingsLine(
  task: Pick<TaskMetadata, "queue" | "retry" | "machine" | "maxDuration">,
  { ctx, retry }: Run,
): string | undefined {
  const machine = presetOf(task.machine);
  const all: Difference[] = [
    ...retryDifferences(task.retry ?? {}, { maxAttempts: ctx.run.maxAttempts, ...retry }),
    { field: "queue.name", code: task.queue?.name, run: ctx.queue.name },
    { field: "machine", code: machine, run: ctx.machine?.name ?? "none" },
    { field: "maxDurationSeconds", code: task.maxDuration, run: ctx.run.maxDuration ?? "none" },
  ];
  const different = all.filter(({ code, run }) => code !== undefined && run !== undefined && code !== run);
  if (different.length === 0) return undefined;
  const list = different.map(
    ({ field, code, run }) => `spec.${field}: ${text(code)} in the code, ${text(run)}`,
  );
  return `task("${ctx.task.id}"): the Task resource and the trigger count, not the code: ${list.join("; ")} in this run`;
}

function retryDifferences(code: object, run: Record<string, unknown>): Difference[] {
  const { outOfMemory, ...fields } = code as Record<string, unknown> & {
    outOfMemory?: { machine?: unknown };
  };
  const known = Object.entries(fields).filter(([name]) => name in run);
  return [
    ...known.map(([name, value]) => ({ field: `retry.${name}`, code: value, run: run[name] })),
    {
      field: "retry.outOfMemory.machine",
      code: presetOf(outOfMemory?.machine),
      run: "factor" in run ? (run.outOfMemoryMachine ?? "none") : undefined,
    },
  ];
}

/** A machine is a preset's name, in either form. */
function presetOf(machine: unknown): unknown {
  if (typeof machine === "string") return machine;
  return (machine as { preset?: unknown } | undefined)?.preset;
}

const valueShown = 200;

function text(value: unknown): string {
  let shown: string;
  try {
    shown = JSON.stringify(value) ?? String(value);
  } catch {
    shown = typeof value;
  }
  return shown.length > valueShown ? `${shown.slice(0, valueShown)}…` : shown;
}
