/**
 * Public tokens: rights for a browser, signed with a secret key of the namespace. Those that the code of a
 * run makes allow no more than it may itself, and outlive it by a day at most.
 */
import { Router } from "express";
import { z } from "zod";
import { callerIn } from "../http/caller.ts";
import { bodyOf } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import { note } from "../http/requestLog.ts";
import { attemptPublicSeconds } from "./attemptCallers.ts";
import { publicToken } from "./auth.ts";
import { lacks, mayGive, secretOnly } from "./rights.ts";

interface TokenDeps {
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export const tokenBody = z.strictObject({
  scopes: z.array(z.string().max(256)).max(100).default([]),
  expirationTime: z
    .union([
      z
        .string()
        .regex(
          /^\d{1,6} ?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|y|yrs?|years?)$/,
          "not a valid duration (for example 15m)",
        ),
      // Unix seconds, as in the token itself.
      z.int().min(1),
    ])
    .optional(),
  /** The token counts for one trigger. */
  oneTimeUse: z.boolean().optional(),
  /** For the realtime API of Trigger.dev; nothing here acts on it. */
  realtime: z.unknown().optional(),
});
const longestSeconds = 366 * 86_400;
const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_557_600 };
/** `15 minutes`: the first letter of the unit decides. */
const secondsOf = (text: string): number =>
  Number.parseInt(text, 10) * (unitSeconds[text.replace(/^\d+ ?/, "").charAt(0)] ?? 0);

export function tokensRouter(deps: TokenDeps): Router {
  const router = Router();

  router.post("/api/v1/auth/jwt/claims", secretOnly, (_request, response) => {
    const { namespace, signer } = callerIn(response);
    response.json({ sub: namespace, pub: true, ...(signer !== undefined && { by: signer }) });
  });

  router.post("/api/v1/auth/public-tokens", secretOnly, async (request, response) => {
    const { scopes, expirationTime: expires = "15m", oneTimeUse: oneTime } = await bodyOf(tokenBody, request);
    const caller = callerIn(response);
    const refused = caller.attempt && scopes.find((scope) => !mayGive(caller, scope));
    if (refused !== undefined) throw lacks(refused);
    const left = typeof expires === "number" ? expires - deps.clock() / 1000 : secondsOf(expires);
    if (caller.attempt && left > attemptPublicSeconds)
      throw new Problem(400, "expirationTime: the code of a run may give at most 1d");
    if (left <= 0 || left > longestSeconds) {
      throw new Problem(
        400,
        "expirationTime: not within the next year: give a duration (for example 15m) or Unix seconds",
      );
    }
    note(response, { scopes, expires, oneTime });
    response.json({ token: await publicToken(caller, scopes, { expires, oneTime }) });
  });

  return router;
}
