/**
 * Whose attempt a bearer token is: the attempt's own token, or its pod's. For a pod's some objects are read
 * of the API server: for each namespace so many at once, while others wait their turn, up to a bound.
 */
import pLimit, { type LimitFunction } from "p-limit";
import type { KubeClient } from "../../kube/client/client.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import { currentAttempt } from "../../model/run/attempts.ts";
import type { RunClaims, RunTokens } from "../../runs/runToken.ts";
import { Problem } from "../http/problem.ts";
import type { ClusterKeys } from "./clusterKeys.ts";
import { attemptOfPod, type PodAttempt, type PodName, podOfToken } from "./podIdentity.ts";

interface IdentityDeps {
  client: Pick<KubeClient, "get" | "list">;
  clusterKeys: Pick<ClusterKeys, "claimsOf">;
  tokens: Pick<RunTokens, "verify">;
  /** The namespaces of this release; none: all. */
  watchNamespaces?: readonly string[];
}

/** `pod`: the token was the pod's; its attempt was current a moment ago. */
export type Identified = { claims: RunClaims; pod?: PodAttempt };

const atOnce = 8;
const mostWaiting = 500;

export class AttemptIdentity {
  readonly #deps: IdentityDeps;
  readonly #limits = new Map<string, LimitFunction>();

  constructor(deps: IdentityDeps) {
    this.#deps = deps;
  }

  /** Throws a Problem for any other token. */
  async identify(token: string): Promise<Identified> {
    const { client, clusterKeys, tokens, watchNamespaces = [] } = this.#deps;
    const claims = await tokens.verify(token);
    if (claims) return { claims };
    const named = await podOfToken(clusterKeys, watchNamespaces, token);
    const pod = await this.#inTurn(named, () => attemptOfPod(client, named));
    return { claims: pod.claims, pod };
  }

  /** The run as it is now. Throws a Problem unless the attempt is its current one, and the pod its own. */
  async currentRun({ claims, pod }: Identified): Promise<TaskRun> {
    if (pod) return pod.run;
    const run = await this.#deps.client.get(TaskRuns, claims.ns, claims.run);
    if (run?.metadata.uid !== claims.uid) throw runMissing(claims);
    const current = currentAttempt(run.status);
    const isCurrent =
      current?.number === claims.attempt && (!current.podUid || current.podUid === claims.podUid);
    if (isCurrent) return run;
    throw new Problem(409, `Attempt ${claims.attempt} is not under way: the run is ${run.status?.phase}`);
  }

  async #inTurn<T>({ namespace }: PodName, work: () => Promise<T>): Promise<T> {
    const limit = this.#limits.get(namespace) ?? pLimit(atOnce);
    if (limit.pendingCount >= mostWaiting)
      throw new Problem(429, `Too many pods of namespace ${namespace} ask at once: retry`);
    this.#limits.set(namespace, limit);
    try {
      return await limit(work);
    } finally {
      if (limit.activeCount + limit.pendingCount === 0) this.#limits.delete(namespace);
    }
  }
}

export const runMissing = ({ ns, run }: RunClaims): Problem =>
  new Problem(404, `TaskRun ${ns}/${run} does not exist any more`);
