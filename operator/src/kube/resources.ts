/**
 * What an object and a kind are to the client, and the kinds of Kubernetes that Fairlead reads and writes.
 */
import type {
  CoreV1Event,
  V1ControllerRevision,
  V1Job,
  V1Lease,
  V1Namespace,
  V1Pod,
  V1Secret,
} from "@kubernetes/client-node";

/**
 * What every object has. The client library's types fit, with one caution: they call times `Date`, while what
 * the API server sends, and this client returns, are RFC 3339 strings; see `Wire`.
 */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: {
    name?: string;
    generateName?: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
}

/** What a create sends: the API server gives the object its uid. */
export type NewObject<T extends KubeObject> = Omit<T, "metadata"> & {
  metadata?: Omit<NonNullable<T["metadata"]>, "uid"> & { uid?: string };
};

/** A type of the client library with its times as they are on the wire. */
export type Wire<T> = T extends Date ? string : T extends object ? { [K in keyof T]: Wire<T[K]> } : T;

export interface Resource<T extends KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: carries T. */
  readonly type?: T;
}

export interface KubeList<T> {
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  items: T[];
}

function resource<T extends KubeObject>(
  group: string,
  version: string,
  plural: string,
  kind: string,
  namespaced = true,
): Resource<T> {
  return { group, version, plural, kind, namespaced };
}

export const Jobs = resource<V1Job>("batch", "v1", "jobs", "Job");
export const Pods = resource<V1Pod>("", "v1", "pods", "Pod");
export const Secrets = resource<V1Secret>("", "v1", "secrets", "Secret");
export const Events = resource<Wire<CoreV1Event>>("", "v1", "events", "Event");
export const Namespaces = resource<V1Namespace>("", "v1", "namespaces", "Namespace", false);
export const Leases = resource<Wire<V1Lease>>("coordination.k8s.io", "v1", "leases", "Lease");
export const ControllerRevisions = resource<V1ControllerRevision>(
  "apps",
  "v1",
  "controllerrevisions",
  "ControllerRevision",
);

export const apiVersionOf = (resource: Resource<KubeObject>): string =>
  resource.group ? `${resource.group}/${resource.version}` : resource.version;

/** `namespace/name`, or just the name of what is cluster-scoped: the key in caches and work queues. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata ?? {};
  return objectKey(namespace, name ?? "");
}

export const objectKey = (namespace: string | undefined, name: string): string =>
  namespace ? `${namespace}/${name}` : name;

export function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}

/**
 * The path of a collection, or of one object in it. Throws for names that would address something else: an
 * empty one makes a collection of an object's path, dots are folded by URL parsers.
 */
export function resourcePath(
  resource: Resource<KubeObject>,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const parts = [resource.group ? `/apis/${resource.group}/${resource.version}` : `/api/${resource.version}`];
  if (resource.namespaced && namespace !== undefined)
    parts.push("namespaces", segment("namespace", namespace));
  else if (resource.namespaced && name !== undefined) {
    throw new TypeError(`${resource.kind} ${name}: a namespace is needed`);
  }
  parts.push(resource.plural);
  if (name !== undefined) parts.push(segment(`name of a ${resource.kind}`, name));
  if (subresource) parts.push(subresource);
  return parts.join("/");
}

function segment(what: string, value: string): string {
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?$/.test(value)) {
    throw new TypeError(`${JSON.stringify(value.slice(0, 300))} cannot be the ${what}`);
  }
  return encodeURIComponent(value);
}
