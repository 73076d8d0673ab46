/**
 * Names of keys and members in Redis. lua/checkFence.lua says what each key holds.
 *
 * - A namespace has seven keys with one hash tag, so that they live on one node of a Redis Cluster. They
 *   begin with the installation's id: several installations may share a Redis.
 * - A lane is a queue, or one copy of it for a concurrencyKey: "<queue>\n<key>". No part holds a control
 *   character.
 * - An order is 16 digits: the smaller is admitted first within its lane. A run that resumes has a 0 first,
 *   any other a 1.
 */
import type { PendingRun } from "./admission.ts";

const parts = ["meta", "limits", "pending", "runs", "ready", "holders", "slots"] as const;
const latest = 10 ** 15 - 1;

export function keysOf(installation: string, namespace: string): string[] {
  return parts.map((part) => `fairlead:{${installation}:${namespace}}:${part}`);
}

export function laneOf({ queue, concurrencyKey }: Pick<PendingRun, "queue" | "concurrencyKey">): string {
  return `${queuePart(queue)}\n${escapeControl(concurrencyKey ?? "")}`;
}

/** A queue's name as the scripts know it. Never empty: the empty name stands for the namespace. */
export function queuePart(queue: string): string {
  return queue === "" ? "%" : escapeControl(queue);
}

/** A run whose time is not a number comes last. */
export function orderOf({ enqueuedAtMs, prioritySeconds, resumes = false }: PendingRun): string {
  const order = Math.floor(enqueuedAtMs - prioritySeconds * 1000);
  const bounded = Math.min(Math.max(Number.isNaN(order) ? latest : order, 0), latest);
  return `${resumes ? 0 : 1}${String(bounded).padStart(15, "0")}`;
}

export function slotId({ uid, slot }: { uid: string; slot: number }): string {
  return `${uid}/${slot}`;
}

function escapeControl(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
  return text.replace(/[\0-\x1f%]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
