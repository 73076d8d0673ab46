/**
 * Whether this release works for the caller's namespace: it exists, and no other release owns it. Otherwise
 * runs would be accepted and never executed, or executed with another release's bucket. The answer is a 403
 * that says what would be right: nothing of it passes by a repetition.
 *
 * Asked of the API server once in a while for a namespace. When that does not answer, the request goes on:
 * what it needs will say so.
 */
import type { RequestHandler } from "express";
import { LRUCache } from "lru-cache";
import type { KubeClient } from "../../kube/client/client.ts";
import { Leases, Namespaces } from "../../kube/resources.ts";
import { notOwner, ownerIn, ownerLeaseName } from "../../model/namespaceOwner.ts";
import { callerIn } from "../http/caller.ts";
import { Problem } from "../http/problem.ts";

const rememberedMs = 10_000;
const rememberedNamespaces = 1_000;

export function namespaceAccess(
  client: Pick<KubeClient, "get">,
  /** Our name, as in model/namespaceOwner.ts. */
  release: string,
  clock: () => number,
): RequestHandler {
  const problems = new LRUCache<string, { problem?: string }>({
    max: rememberedNamespaces,
    ttl: rememberedMs,
  });
  return async (_request, response, next) => {
    const { namespace } = callerIn(response);
    let known = problems.get(namespace);
    if (!known) {
      known = { problem: await namespaceProblem(client, release, namespace, clock()) };
      problems.set(namespace, known);
    }
    if (known.problem !== undefined) throw new Problem(403, known.problem, { retry: false });
    next();
  };
}

/** A sentence; undefined when all is well, or not known. */
export async function namespaceProblem(
  client: Pick<KubeClient, "get">,
  release: string,
  namespace: string,
  nowMs: number,
): Promise<string | undefined> {
  try {
    if (!(await client.get(Namespaces, undefined, namespace)))
      return `This key is for namespace ${namespace}, which does not exist: create it, or use another key.`;
    const owner = ownerIn(await client.get(Leases, namespace, ownerLeaseName), nowMs);
    return owner && owner !== release ? notOwner(namespace, owner, release) : undefined;
  } catch {
    return undefined;
  }
}
