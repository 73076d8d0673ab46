/**
 * The slot of an attempt, noted on its Job and its pod: a container holds its slot also when its TaskRun was
 * deleted, and then nothing else says which one. Pure.
 */
import { runLabel, runUidLabel, slotAnnotation } from "@fairlead/protocol/labels";
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { z } from "zod";
import { queueNameOf } from "../model/queue/governing.ts";
import type { Attempt, TaskRun } from "../model/resources.ts";

const note = z.object({
  slot: z.int().min(1),
  queue: z.string(),
  concurrencyKey: z.string().optional(),
});

export interface NotedSlot extends z.infer<typeof note> {
  namespace: string;
  name: string;
  uid: string;
}

export const slotNote = (run: TaskRun, attempt: Attempt): Record<string, string> => ({
  [slotAnnotation]: JSON.stringify({
    slot: attempt.slot,
    queue: queueNameOf(run, undefined),
    concurrencyKey: run.spec.concurrencyKey,
  }),
});

/** Undefined for an object that is not of a run, or has no such note. */
export function slotOf({ metadata }: V1Job | V1Pod): NotedSlot | undefined {
  const { labels, annotations, namespace } = metadata ?? {};
  const [name, uid, text] = [labels?.[runLabel], labels?.[runUidLabel], annotations?.[slotAnnotation]];
  if (!namespace || !name || !uid || text === undefined) return undefined;
  const parsed = note.safeParse(json(text));
  return parsed.success ? { namespace, name, uid, ...parsed.data } : undefined;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
