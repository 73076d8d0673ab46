/**
 * What a client did wrong, as an answer: thrown anywhere in api/, written by server.ts as
 * `{ "error": message }`. A message has three parts in this order: the field, what is wrong, what would be
 * right.
 */
import { KubeError } from "../../kube/client/client.ts";
import { TooBusyError } from "../../lib/fairGate.ts";
import { BadKeyError } from "../../model/keys/objectKey.ts";
import { UnreadableObject } from "../../storage/stored.ts";

export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  /** Whether the same request may work later; undefined leaves that to the client's own rule. */
  readonly retry: boolean | undefined;
  readonly code: string | undefined;

  constructor(status: number, message: string, options: { retry?: boolean; code?: string } = {}) {
    super(message);
    this.status = status;
    this.retry = options.retry;
    this.code = options.code;
  }
}

/** There is nothing with that id, and waiting does not help. */
export const notFound = (what: string): Problem => new Problem(404, `There is no ${what}.`, { retry: false });

/** The API server's validation refused a resource: the client's mistake. Any other error stays what it is. */
export const refusal = (error: unknown): unknown =>
  error instanceof KubeError && (error.status === 400 || error.status === 422)
    ? new Problem(422, error.message)
    : error;

/** What a client can act on: what the API says, and what the API server says of the client's namespace. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (error instanceof UnreadableObject) return new Problem(500, error.message, { retry: false });
  if (error instanceof BadKeyError) return new Problem(422, error.message, { retry: false });
  if (error instanceof TooBusyError)
    return new Problem(429, "Too many requests of this namespace at once: retry", { retry: true });
  if (!(error instanceof KubeError)) return undefined;
  const { status, message } = error;
  const missing = status === 404 && /namespaces "([^"]+)" not found/.exec(message)?.[1];
  if (missing) {
    return new Problem(
      403,
      `The key opens the namespace ${missing}, which does not exist: create it, or use a key of another one`,
      { retry: false },
    );
  }
  if (status !== 403) return undefined;
  if (message.includes("being terminated"))
    return new Problem(403, "The key's namespace is being deleted: use a key of another one", {
      retry: false,
    });
  // A policy or a webhook of the cluster: it will say the same again.
  const denied = /denied (?:the )?request: ?(.*)/s.exec(message)?.[1];
  if (denied !== undefined)
    return new Problem(403, `The cluster's admission policy refuses it: ${denied.slice(0, 500)}`, {
      retry: false,
    });
  const quota = /exceeded quota: .*/.exec(message)?.[0];
  return quota === undefined
    ? undefined
    : new Problem(403, `The namespace's ResourceQuota allows no more: ${quota.slice(0, 500)}`, {
        retry: false,
      });
}
