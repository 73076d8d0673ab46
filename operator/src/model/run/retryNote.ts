/**
 * The retry policy that was resolved for an attempt, noted on its Job: with it the API applies a report and
 * needs neither the Task nor its versions. Pure.
 */
import { retryAnnotation } from "@fairlead/protocol/labels";
import { z } from "zod";
import type { RetryPolicy } from "./retry.ts";

export const notedRetry = z.object({
  maxAttempts: z.int(),
  factor: z.number(),
  minTimeoutInMs: z.number(),
  maxTimeoutInMs: z.number(),
  randomize: z.boolean(),
}) satisfies z.ZodType<RetryPolicy>;

export const retryNote = (policy: RetryPolicy): Record<string, string> => ({
  [retryAnnotation]: JSON.stringify(notedRetry.parse(policy)),
});

/** Undefined when there is no such note, or somebody changed it into something else. */
export function retryIn(annotations: Record<string, string> | undefined): RetryPolicy | undefined {
  try {
    return notedRetry.safeParse(JSON.parse(annotations?.[retryAnnotation] ?? "")).data;
  } catch {
    return undefined;
  }
}
