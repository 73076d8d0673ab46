/**
 * The API as whoever has a kubeconfig reaches it: the release is found by its Service's labels, a key of the
 * namespace among the release's Secrets, and kubectl forwards a port.
 */
import { CommandError, exitCodes } from "./errors.ts";
import { kubectl, portForward } from "./kubectl.ts";

export interface KubeOptions {
  context?: string;
  /** Namespace of the runs. */
  namespace?: string;
  /** Namespace of the release. */
  releaseNamespace?: string;
}

export interface Release {
  namespace: string;
  /** Name of the API's Service. */
  service: string;
  port: number;
}

interface KubeList<T> {
  items: T[];
}

const serviceSelector = "app.kubernetes.io/name=fairlead,app.kubernetes.io/component=api";

export const contextArgs = ({ context }: KubeOptions): string[] =>
  context === undefined ? [] : ["--context", context];

export async function openKubeAccess(
  options: KubeOptions,
): Promise<AsyncDisposable & { baseURL: string; secretKey: string; source: string }> {
  const [release, namespace] = await Promise.all([findRelease(options), namespaceOf(options)]);
  const secretKey = await findKey(options, release, namespace);
  const args = [...contextArgs(options), "--namespace", release.namespace];
  const forward = await portForward(args, `service/${release.service}`, release.port);
  return {
    baseURL: `http://127.0.0.1:${forward.port}`,
    secretKey,
    source: `the cluster's release ${release.namespace}/${release.service}, namespace ${namespace}`,
    [Symbol.asyncDispose]: () => forward[Symbol.asyncDispose](),
  };
}

/** `--namespace`, else the context's, as kubectl has it. */
export async function namespaceOf(options: KubeOptions): Promise<string> {
  if (options.namespace) return options.namespace;
  const path = "jsonpath={.contexts[0].context.namespace}";
  return (
    (await kubectl(["config", "view", "--minify", ...contextArgs(options), "-o", path])).trim() || "default"
  );
}

export async function findRelease(options: KubeOptions): Promise<Release> {
  const where = options.releaseNamespace ? ["--namespace", options.releaseNamespace] : ["--all-namespaces"];
  const text = await kubectl([
    "get",
    "services",
    ...contextArgs(options),
    ...where,
    "--selector",
    serviceSelector,
    "-o",
    "json",
  ]);
  const { items } = JSON.parse(text) as KubeList<{
    metadata: { name: string; namespace: string };
    spec: { ports: { port: number }[] };
  }>;
  if (items.length > 1) {
    const all = items.map(({ metadata }) => metadata.namespace).join(", ");
    throw new CommandError(`--release-namespace: there are releases in ${all}; say which`, exitCodes.usage);
  }
  const [service] = items;
  if (!service) {
    throw new CommandError(
      `the cluster has no release of Fairlead${options.releaseNamespace ? ` in ${options.releaseNamespace}` : ""}; install the chart, or give another --context`,
      exitCodes.connection,
    );
  }
  const { name, namespace } = service.metadata;
  return { namespace, service: name, port: service.spec.ports[0]?.port ?? 80 };
}

async function findKey(options: KubeOptions, release: Release, namespace: string): Promise<string> {
  const now = new Date().toISOString();
  const all = [...(await readKeys(options, release)).values()].filter((key) => key.namespace === namespace);
  const usable = all.find(
    ({ scopes, notAfter }) => scopes === undefined && (notAfter === undefined || notAfter > now),
  );
  if (usable) return usable.value;
  throw new CommandError(
    `no key opens the namespace ${namespace}; make one with: fairlead keys create NAME --namespace ${namespace}`,
    exitCodes.connection,
  );
}

export interface StoredKey {
  namespace: string;
  name: string;
  value: string;
  /** Absent: all rights. */
  scopes?: string;
  notAfter?: string;
}

/**
 * The Secret that holds the release's keys: an entry `<namespace>.<name>` each, further ones of it beside it.
 */
export const keysSecret = ({ service }: Release): string => `${service.replace(/-api$/, "")}-api-keys`;

/** By `<namespace>.<name>`. */
export async function readKeys(options: KubeOptions, release: Release): Promise<Map<string, StoredKey>> {
  const where = [...contextArgs(options), "--namespace", release.namespace];
  const text = await kubectl([
    "get",
    "secret",
    keysSecret(release),
    ...where,
    "--ignore-not-found",
    "-o",
    "json",
  ]);
  const { data = {} } = (text.trim() === "" ? {} : JSON.parse(text)) as { data?: Record<string, string> };
  const keys = new Map<string, StoredKey>();
  for (const [entry, encoded] of Object.entries(data)) {
    const [namespace = "", name = "", part] = entry.split(".");
    if (part !== undefined || name === "") continue;
    const more = (field: string): string | undefined => {
      const found = data[`${entry}.${field}`];
      return found === undefined ? undefined : Buffer.from(found, "base64").toString("utf8").trim();
    };
    const value = Buffer.from(encoded, "base64").toString("utf8").trim();
    keys.set(entry, { namespace, name, value, scopes: more("scopes"), notAfter: more("notAfter") });
  }
  return keys;
}
