/**
 * Whether a service account token is genuine: by the keys that the API server publishes, which every service
 * account may read (the ClusterRole system:service-account-issuer-discovery), in a release without
 * ClusterRoles too. A forged token costs the API server nothing. Whether the token's pod is still there is
 * podIdentity.ts' question; docs/adr/0012-pod-identity.md says why this and not TokenReview.
 *
 * Keys are read at the first use, and again when a token names one that is not known, so that a rotation
 * needs no restart: at most once in `rereadMs`, or forged names would make us ask for each of them.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";

type Find = ReturnType<typeof createLocalJWKSet>;

const rereadMs = 10_000;
/** What Kubernetes signs with. */
const algorithms = ["RS256", "ES256", "ES384", "ES512"];

export class ClusterKeys {
  readonly #read: () => Promise<JSONWebKeySet>;
  readonly #clock: () => number;
  #keys: Promise<Find> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(client: { serviceAccountKeys(): Promise<JSONWebKeySet> }, clock: () => number) {
    this.#read = () => client.serviceAccountKeys();
    this.#clock = clock;
  }

  /** The claims; undefined: forged, expired, or for another audience. Throws when the keys cannot be read. */
  async claimsOf(token: string, audience: string): Promise<JWTPayload | undefined> {
    const options = { audience, algorithms, requiredClaims: ["exp"] };
    for (let tries = 1; ; tries++) {
      const keys = await this.#known();
      try {
        return (await jwtVerify(token, keys, options)).payload;
      } catch (error) {
        const mayBeNew = error instanceof errors.JWKSNoMatchingKey && tries === 1;
        if (!mayBeNew || this.#clock() - this.#readAt < rereadMs) return undefined;
        this.#keys = undefined;
      }
    }
  }

  /** One read for all who wait for it; a failed one is not kept. */
  #known(): Promise<Find> {
    if (this.#keys) return this.#keys;
    this.#readAt = this.#clock();
    const reading = this.#read().then(createLocalJWKSet);
    this.#keys = reading;
    reading.catch(() => {
      if (this.#keys === reading) this.#keys = undefined;
    });
    return reading;
  }
}
