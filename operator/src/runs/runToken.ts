/**
 * The token that one attempt's container holds: HS256, signed with the release's key. It names the attempt,
 * so that it can settle nothing else, and carries the retry policy that was resolved for it, so that the API
 * needs nothing but the TaskRun to apply a report.
 */
import { jwtVerify, SignJWT } from "jose";
import { z } from "zod";

const claims = z.object({
  ns: z.string().min(1),
  run: z.string().min(1),
  uid: z.string().min(1),
  attempt: z.int().min(1),
  retry: z.object({
    maxAttempts: z.int(),
    factor: z.number(),
    minTimeoutInMs: z.number(),
    maxTimeoutInMs: z.number(),
    randomize: z.boolean(),
  }),
});

export type RunClaims = z.infer<typeof claims>;

const audience = "fairlead-engine";

export class RunTokens {
  readonly #key: Uint8Array;

  constructor(key: string) {
    this.#key = new TextEncoder().encode(key);
  }

  /** Without an expiry: the token is useless once its attempt is not the current one. */
  sign(run: RunClaims): Promise<string> {
    return new SignJWT({ ...run }).setProtectedHeader({ alg: "HS256" }).setAudience(audience).sign(this.#key);
  }

  /** Undefined for anything but a token of ours. */
  async verify(token: string): Promise<RunClaims | undefined> {
    try {
      const { payload } = await jwtVerify(token, this.#key, { audience, algorithms: ["HS256"] });
      return claims.parse(payload);
    } catch {
      return undefined;
    }
  }
}
