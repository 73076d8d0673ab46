/** Public tokens, and idempotency keys that are to be free again. */
import { keyResetAnnotation } from "@fairlead/protocol/labels";
import { maxKeyGenerations } from "@fairlead/protocol/limits";
import { Router } from "express";
import { z } from "zod";
import type { KubeClient } from "../../kube/client/client.ts";
import { keyedRunName, keyHash, keyState } from "../../model/keys/idempotency.ts";
import { TaskRuns } from "../../model/kinds.ts";
import { readKeyRecord, writeKeyRecord } from "../../storage/keyRecord.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import { bodyOf, param } from "../http/input.ts";
import { notFound, Problem } from "../http/problem.ts";
import { callerIn, publicToken, secretOnly } from "./auth.ts";

export interface TokenDeps {
  client: Pick<KubeClient, "get" | "patch">;
  store: Pick<ObjectStore, "get" | "put">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export const tokenBody = z.object({
  scopes: z.array(z.string().max(256)).max(100).default([]),
  expirationTime: z
    .union([
      z
        .string()
        .regex(
          /^\d{1,6} ?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|y|yrs?|years?)$/,
          "a duration such as 15m is needed",
        ),
      // Unix seconds, as in the token itself.
      z.int().min(1),
    ])
    .optional(),
  /** The token counts for one trigger. */
  oneTimeUse: z.boolean().optional(),
});
const longestSeconds = 366 * 86_400;
const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_557_600 };
/** `15 minutes`: the first letter of the unit tells it. */
const secondsOf = (text: string): number =>
  Number.parseInt(text, 10) * (unitSeconds[text.replace(/^\d+ ?/, "").charAt(0)] ?? 0);

export function tokensRouter(deps: TokenDeps): Router {
  const router = Router();

  router.post("/api/v1/auth/jwt/claims", secretOnly, (_request, response) => {
    response.json({ sub: callerIn(response).namespace, pub: true });
  });

  router.post("/api/v1/auth/public-tokens", secretOnly, async (request, response) => {
    const { scopes, expirationTime: expires = "15m", oneTimeUse: oneTime } = bodyOf(tokenBody, request);
    const left = typeof expires === "number" ? expires - deps.clock() / 1000 : secondsOf(expires);
    if (left <= 0 || left > longestSeconds) {
      throw new Problem(
        400,
        "expirationTime: a time within the next year is needed, in Unix seconds, or a duration",
      );
    }
    response.json({ token: await publicToken(callerIn(response), scopes, { expires, oneTime }) });
  });

  router.post("/api/v1/idempotencyKeys/:key/reset", secretOnly, async (request, response) => {
    const key = param(request, "key");
    const { taskIdentifier: task } = bodyOf(
      z.object({ taskIdentifier: z.string().min(1).max(128) }),
      request,
    );
    const { namespace } = callerIn(response);
    const hash = keyHash(namespace, task, key);
    const record = await readKeyRecord(deps.store, namespace, hash);
    let found = record !== undefined;
    if (record && !record.freed)
      await writeKeyRecord(deps.store, namespace, hash, { ...record, freed: true });
    const first = record ? record.generation + 1 : 0;
    for (let generation = first; generation < first + maxKeyGenerations; generation++) {
      const name = keyedRunName(namespace, task, key, generation);
      const live = await deps.client.get(TaskRuns, namespace, name);
      if (!live) break;
      found = true;
      if (keyState(live, deps.clock()) === "free") continue;
      const metadata = { uid: live.metadata.uid, annotations: { [keyResetAnnotation]: "true" } };
      await deps.client.patch(
        TaskRuns,
        namespace,
        name,
        { metadata },
        {
          type: "merge",
        },
      );
    }
    if (!found) throw notFound(`run of task ${task} with this idempotency key`);
    response.json({ id: key });
  });

  return router;
}
