/**
 * WaitToken: something from outside that runs wait for, such as an approval. Who completes it writes
 * `status.state` and `status.output`: the API, or `kubectl patch --subresource=status`. The controller lets
 * it time out.
 */
import { z } from "zod";
import { anyJson, rules, text, time } from "./common.ts";

export const waitTokenSpec = rules(
  z.object({
    timeoutAt: time()
      .optional()
      .describe("When it times out, unless it was completed before. Default: never."),
    tags: z
      .array(text(128, 1))
      .max(10)
      .optional()
      .describe("Up to 10 tags to find it by.")
      .meta({ "x-kubernetes-list-type": "set" }),
    idempotencyKey: text(2048, 1)
      .optional()
      .describe("Creating a token with the same key again finds this one."),
    idempotencyKeyExpiresAt: time()
      .optional()
      .describe("From when on the key makes another token. Default: never."),
  }),
  {
    rule: "self == oldSelf",
    message: "a WaitToken cannot change after creation: create another one",
    reason: "FieldValueForbidden",
  },
);

export const waitTokenStatus = rules(
  z.object({
    state: z
      .enum(["Waiting", "Completed", "TimedOut"])
      .optional()
      .describe("Set to Completed, with an output, to complete it; then it stays so."),
    output: anyJson()
      .meta({ nullable: true })
      .optional()
      .describe("What the runs that wait for it get, any JSON up to 64 KiB."),
    completedAt: time().optional().describe("When it was completed or timed out."),
  }),
  {
    rule: "!has(oldSelf.state) || oldSelf.state == 'Waiting' || (has(self.state) && self.state == oldSelf.state)",
    message: "a token that was completed or timed out stays so: create another one",
    fieldPath: ".state",
    reason: "FieldValueForbidden",
  },
);

export type WaitTokenSpec = z.infer<typeof waitTokenSpec>;
export type WaitTokenStatus = z.infer<typeof waitTokenStatus>;
