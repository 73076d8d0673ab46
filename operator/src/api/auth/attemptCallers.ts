/**
 * The code inside of a run as a caller of the API: bearer is its attempt's token, or its pod's. It is allowed
 * what its Task says (spec.access), in its namespace, while its attempt is the run's current one: asked of
 * the TaskRun at each call.
 */
import { podTokenAudience } from "@fairlead/protocol/runnerApi";
import { attemptTokenAudience, type RunTokens } from "../../runs/runToken.ts";
import type { Caller } from "../http/caller.ts";
import { Problem } from "../http/problem.ts";
import type { AttemptIdentity } from "../runner/attemptIdentity.ts";
import type { ApiKey } from "./apiKey.ts";

/** How much longer than its attempt's token a public token may count that the attempt made. */
export const attemptPublicSeconds = 86_400;

type Signer = Pick<Caller, "namespace" | "key" | "keyName" | "keyScopes" | "expiresAt"> & {
  /** What the public token is signed with. */
  secret: string;
};

export class AttemptCallers {
  readonly #identity: Pick<AttemptIdentity, "identify" | "currentRun">;
  readonly #tokens: Pick<RunTokens, "publicKeyOf" | "whole">;

  constructor(
    identity: Pick<AttemptIdentity, "identify" | "currentRun">,
    tokens: Pick<RunTokens, "publicKeyOf" | "whole">,
  ) {
    this.#identity = identity;
    this.#tokens = tokens;
  }

  /** By what a token says of itself, which decides only how it is checked. */
  isOne(audience: string | string[] | undefined): boolean {
    return [audience].flat().some((one) => one === attemptTokenAudience || one === podTokenAudience);
  }

  /** Throws a 401 for a token that is false, and for one whose attempt is not current. */
  async of(token: string): Promise<Caller> {
    try {
      const identified = await this.#identity.identify(token);
      await this.#identity.currentRun(identified);
      const { ns: namespace, run, uid, attempt, access } = identified.claims;
      return {
        kind: "attempt",
        namespace,
        key: this.#tokens.publicKeyOf(namespace),
        keyName: `attempt ${attempt} of ${run}`,
        scopes: access,
        ...(identified.pod === undefined && { signer: token.slice(0, token.lastIndexOf(".")) }),
        attempt: { run, uid, number: attempt },
      };
    } catch (error) {
      // Why it is refused, the calls about the attempt itself distinguish.
      if (error instanceof Problem && error.status !== 429)
        throw new Problem(401, error.message, { retry: false });
      throw error;
    }
  }

  /** What public tokens are signed with that the API made for attempts: a key as those of Secrets. */
  keyOf(namespace: string): ApiKey {
    return { name: "attempts", key: this.#tokens.publicKeyOf(namespace), namespace };
  }

  /**
   * What a public token is signed with that an SDK made itself; `by`: the claim that it was given for that.
   */
  signer(by: string): Signer | undefined {
    const whole = this.#tokens.whole(by);
    const expiresAt = (whole?.expiresAt ?? 0) + attemptPublicSeconds * 1000;
    if (!whole || expiresAt < Date.now()) return undefined;
    const { ns: namespace, attempt, run, access } = whole.claims;
    return {
      ...{ namespace, key: this.#tokens.publicKeyOf(namespace), secret: whole.token },
      ...{ keyName: `attempt ${attempt} of ${run}`, keyScopes: access },
      expiresAt,
    };
  }
}
