/**
 * The token of one attempt: HS256, signed with the release's key. The API gives it to the pod that has shown
 * who it is (api/runner/podIdentity.ts), and to nobody else: no spec, no log and no variable has it. It names
 * attempt and pod, so that it can settle nothing else, and carries the retry policy that was resolved for the
 * attempt, so that a report needs nothing but the TaskRun. It is short-lived, and useless once its attempt is
 * not the current one, which each call asks of the TaskRun.
 */
import { jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { notedRetry } from "../model/run/retryNote.ts";

export const runTokenSeconds = 3600;

const claims = z.object({
  ns: z.string().min(1),
  run: z.string().min(1),
  uid: z.string().min(1),
  attempt: z.int().min(1),
  podUid: z.guid(),
  retry: notedRetry,
});

export type RunClaims = z.infer<typeof claims>;

const audience = "fairlead-engine";

export class RunTokens {
  readonly #key: Uint8Array;

  constructor(key: string) {
    this.#key = new TextEncoder().encode(key);
  }

  sign(run: RunClaims): Promise<string> {
    return new SignJWT({ ...run })
      .setProtectedHeader({ alg: "HS256" })
      .setAudience(audience)
      .setExpirationTime(`${runTokenSeconds}s`)
      .sign(this.#key);
  }

  /** Undefined for anything but a token of ours that has not expired. */
  async verify(token: string): Promise<RunClaims | undefined> {
    try {
      const options = { audience, algorithms: ["HS256"], requiredClaims: ["exp"] };
      const { payload } = await jwtVerify(token, this.#key, options);
      return claims.parse(payload);
    } catch {
      return undefined;
    }
  }
}
