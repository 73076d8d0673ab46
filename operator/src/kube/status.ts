/**
 * Writes of the status subresource by compare-and-swap: the resourceVersion goes along, so that a write which
 * is based on an old state is refused (Conflict) instead of undoing a newer one. The spec stays out: the API
 * server ignores it here, and it may be big.
 */
import { isDeepStrictEqual } from "node:util";
import { cloneJson } from "../lib/exactJson.ts";
import type { KubeClient } from "./client/client.ts";
import { KubeError } from "./client/kubeError.ts";
import { apiVersionOf, type KubeObject, type Resource } from "./resources.ts";

type WithStatus = KubeObject & { status?: object };

/**
 * The answer of the API server. Throws Conflict when the object has changed, NotFound when it was deleted.
 */
export function swapStatus<T extends WithStatus>(
  client: Pick<KubeClient, "replace">,
  resource: Resource<T>,
  { metadata: { name = "", namespace, uid, resourceVersion } = {} }: T,
  status: T["status"],
  options: { timeoutMs?: number } = {},
): Promise<T> {
  const metadata = { name, namespace, uid, resourceVersion };
  const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata, status };
  return client.replace(resource, namespace, name, body as T, { subresource: "status", ...options });
}

/**
 * For reconcilers. Returns the object with the status and puts it into the cache. What is there already is
 * not written. Undefined: the object has changed or was deleted, which the watch brings, and with it the key.
 */
export async function replaceStatus<T extends WithStatus>(
  client: Pick<KubeClient, "replace">,
  cache: { upsertFromWrite(object: T): void },
  resource: Resource<T>,
  object: T,
  status: T["status"],
): Promise<T | undefined> {
  if (isDeepStrictEqual(asSent(object.status), asSent(status))) return object;
  try {
    const written = await swapStatus(client, resource, object, status);
    cache.upsertFromWrite(written);
    return written;
  } catch (error) {
    if (!KubeError.is(error, "Conflict") && !KubeError.is(error, "NotFound")) throw error;
    return undefined;
  }
}

/** Without fields that are undefined. */
const asSent = (status: object | undefined): unknown => cloneJson(status);
