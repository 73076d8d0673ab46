/**
 * The slot "task-context", and `ctx` whole: what the operator sends has the run's facts; the rest has
 * Trigger.dev's names for what is the namespace here, and zero for what nobody counts.
 */
import type { TaskContext } from "@fairlead/protocol/context";

interface ContextSlot {
  ctx: TaskContext | undefined;
  worker: { id: string; contentHash: string; version: string };
  isWarmStart: boolean;
}

export function contextSlot(ctx: TaskContext): ContextSlot {
  const version = ctx.run.version ?? "";
  return { ctx, worker: { id: version, contentHash: version, version }, isWarmStart: false };
}

export function wholeContext(ctx: TaskContext): TaskContext {
  const slug = ctx.environment?.slug ?? "";
  const named = { id: slug, slug, name: slug };
  const costs = { durationMs: 0, costInCents: 0, baseCostInCents: 0 };
  const task = { exportName: ctx.task?.id ?? "", filePath: "", ...ctx.task };
  const run = { isReplay: false, ...costs, ...ctx.run };
  return {
    ...ctx,
    task,
    run,
    attempt: { id: `attempt_${ctx.attempt.number}`, status: "EXECUTING", ...ctx.attempt },
    queue: { id: ctx.queue?.name, ...ctx.queue },
    environment: { id: slug, ...ctx.environment },
    organization: named,
    project: { ...named, ref: `proj_${slug}` },
    ...(ctx.machine ? { machine: { cpu: 0, memory: 0, centsPerMs: 0, ...ctx.machine } } : {}),
  } as TaskContext;
}
