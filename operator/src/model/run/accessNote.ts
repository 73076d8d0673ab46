/**
 * What the code of an attempt may do at the API, noted on its Job as its Task says it (spec.access). Pure.
 * Without a note: everything of its namespace but variables, keys and what decides how other code runs.
 */
import { accessAnnotation } from "@fairlead/protocol/labels";
import { z } from "zod";

/** A scope that a Task may give its code, in upstream's words. */
export const accessScope =
  /^(read|write|trigger|batchTrigger):(all|(runs|tags|tasks|batch|queues|schedules|waitpoints)(:.+)?)$/;
export const mostAccessScopes = 50;

export const defaultAccess: readonly string[] = [
  "read:all",
  "write:all",
  "trigger:tasks",
  "batchTrigger:tasks",
];

const noted = z.array(z.string().regex(accessScope).max(256)).max(mostAccessScopes);

export const accessNote = (access: readonly string[] | undefined): Record<string, string> =>
  access ? { [accessAnnotation]: JSON.stringify(access) } : {};

/** A note that says anything else allows nothing: a mistake must not widen a right. */
export function accessIn(annotations: Record<string, string> | undefined): readonly string[] {
  const note = annotations?.[accessAnnotation];
  if (note === undefined) return defaultAccess;
  try {
    return noted.safeParse(JSON.parse(note)).data ?? [];
  } catch {
    return [];
  }
}
