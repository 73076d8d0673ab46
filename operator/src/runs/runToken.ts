/**
 * The token of one attempt: HS256, signed with the release's key. The API gives it to the pod that has shown
 * who it is (api/runner/podIdentity.ts), and to nobody else: no spec, no log and no variable has it. It names
 * attempt and pod, so that it can settle nothing else, and carries the retry policy that was resolved for the
 * attempt, so that a report needs nothing but the TaskRun. It is short-lived, and useless once its attempt is
 * not the current one, which each call asks of the TaskRun.
 */
import { createHmac } from "node:crypto";
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
  /** What the attempt's code may do at the API: scopes. */
  access: z.array(z.string()).readonly(),
});

export type RunClaims = z.infer<typeof claims>;

export const attemptTokenAudience = "fairlead-engine";
const audience = attemptTokenAudience;
/** So that the official SDK (from 4.8) asks the API for public tokens, instead of signing them with this. */
const typ = "run+jwt";

export class RunTokens {
  readonly #key: Uint8Array;

  constructor(key: string) {
    this.#key = new TextEncoder().encode(key);
  }

  sign(run: RunClaims): Promise<string> {
    return new SignJWT({ ...run })
      .setProtectedHeader({ alg: "HS256", typ })
      .setAudience(audience)
      .setExpirationTime(`${runTokenSeconds}s`)
      .sign(this.#key);
  }

  /**
   * What public tokens are signed with that the attempts of a namespace make: no API key is needed for it.
   */
  publicKeyOf(namespace: string): string {
    return createHmac("sha256", this.#key).update(`public tokens of ${namespace}`).digest("base64url");
  }

  /**
   * The whole token, by its text without the signature: what official SDKs before 4.8 sign public tokens
   * with. Who signed with it had it. Undefined: the text is of no token.
   */
  whole(text: string): { token: string; claims: RunClaims; expiresAt: number } | undefined {
    try {
      const payload: unknown = JSON.parse(Buffer.from(text.split(".")[1] ?? "", "base64url").toString());
      const { exp } = z.object({ exp: z.number(), aud: z.literal(audience) }).parse(payload);
      const signature = createHmac("sha256", this.#key).update(text).digest("base64url");
      return { token: `${text}.${signature}`, claims: claims.parse(payload), expiresAt: exp * 1000 };
    } catch {
      return undefined;
    }
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
