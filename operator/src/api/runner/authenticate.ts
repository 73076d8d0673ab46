/** Whose attempt a call is about: bearer is the attempt's token, or its pod's (attemptIdentity.ts). */
import type { RequestHandler, Response } from "express";
import type { RunClaims } from "../../runs/runToken.ts";
import { bearerOf } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import type { AttemptIdentity, Identified } from "./attemptIdentity.ts";
import type { PodAttempt } from "./podIdentity.ts";

export function authenticateAttempt(identity: Pick<AttemptIdentity, "identify">): RequestHandler {
  return async (request, response, next) => {
    const token = bearerOf(request);
    if (!token)
      throw new Problem(401, "Authorization: missing: send the content of $FAIRLEAD_TOKEN_FILE as Bearer");
    Object.assign(response.locals, await identity.identify(token));
    next();
  };
}

export const identifiedIn = (response: Response): Identified => response.locals as Identified;

export const claimsIn = (response: Response): RunClaims => identifiedIn(response).claims;

/** For calls that give the attempt's token: it must not renew itself. */
export function demandPod(response: Response): PodAttempt {
  const { pod } = identifiedIn(response);
  if (!pod)
    throw new Problem(
      401,
      "Authorization: the attempt's token is not enough: send the content of $FAIRLEAD_TOKEN_FILE as Bearer",
    );
  return pod;
}
