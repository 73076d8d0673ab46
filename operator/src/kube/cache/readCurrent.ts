/**
 * The objects of a namespace as they are now, by the API server, without reading them whole: a list of their
 * metadata says which there are and in which versions. What the cache has in that version is taken from it.
 * What it has not is read one by one, and is then as it was at that read, or gone. When many differ, the
 * cache is behind, and all are listed.
 */
import { inParallel } from "../../lib/parallel.ts";
import type { KubeClient } from "../client/client.ts";
import type { KubeObject, Resource } from "../resources.ts";

interface Reading<T extends KubeObject, C extends KubeObject> {
  client: Pick<KubeClient, "get" | "listAll">;
  cache: { get(namespace: string, name: string): C | undefined };
  resource: Resource<T>;
  /** As the cache keeps objects. */
  transform: (object: T) => C;
  labelSelector?: string;
}

/** Reads of single objects, and how many are under way at once. */
const [mostReads, readsAtOnce] = [200, 8];

/** In no order. */
export async function readCurrent<T extends KubeObject, C extends KubeObject>(
  { client, cache, resource, transform, labelSelector }: Reading<T, C>,
  namespace: string,
): Promise<C[]> {
  const found: C[] = [];
  const unknown: KubeObject[] = [];
  const options = { labelSelector, metadataOnly: true };
  for await (const listed of client.listAll<KubeObject>(
    resource as Resource<KubeObject>,
    namespace,
    options,
  )) {
    const { name = "", resourceVersion } = listed.metadata ?? {};
    const cached = cache.get(namespace, name);
    if (cached && isSame(cached, listed) && cached.metadata?.resourceVersion === resourceVersion)
      found.push(cached);
    else unknown.push(listed);
    if (unknown.length > mostReads) return readAll({ client, resource, transform, labelSelector }, namespace);
  }
  const read = async (listed: KubeObject): Promise<void> => {
    const object = await client.get(resource, namespace, listed.metadata?.name ?? "");
    // Another one of that name was not there when the list was made.
    if (object && isSame(object, listed)) found.push(transform(object));
  };
  await inParallel(unknown.values(), readsAtOnce, read);
  return found;
}

async function readAll<T extends KubeObject, C extends KubeObject>(
  { client, resource, transform, labelSelector }: Omit<Reading<T, C>, "cache">,
  namespace: string,
): Promise<C[]> {
  const found: C[] = [];
  for await (const object of client.listAll(resource, namespace, { labelSelector }))
    found.push(transform(object));
  return found;
}

const isSame = (a: KubeObject, b: KubeObject): boolean => a.metadata?.uid === b.metadata?.uid;
