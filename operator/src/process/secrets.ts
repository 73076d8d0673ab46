/**
 * Credentials that live in Secrets of the release's namespace.
 *
 * The controller creates those that are missing, once: of several replicas the first create wins, and an
 * existing Secret is never changed. Helm renders none of them, so that `helm template` and GitOps tools
 * rotate nothing.
 */

import { randomBytes } from "node:crypto";
import { managedByLabel } from "@fairlead/protocol/labels";
import type { V1Secret } from "@kubernetes/client-node";
import type { Logger } from "pino";
import type { Config, SecretRole } from "../config.ts";
import type { KubeClient } from "../kube/client/client.ts";
import { KubeError } from "../kube/client/client.ts";
import { Secrets } from "../kube/resources.ts";
import { pause } from "../lib/time.ts";

const retryMs = 1_000;
const longestRetryMs = 5_000;

/** Letters and digits only: safe in URLs, config files and shells. */
function randomText(length: number): string {
  let text = "";
  while (text.length < length)
    text += randomBytes(length * 2)
      .toString("base64url")
      .replace(/[-_]/g, "");
  return text.slice(0, length);
}

const contents: Record<SecretRole, (config: Config) => Record<string, string>> = {
  redis: () => ({ password: randomText(32) }),
  objectstore: () => ({ accessKeyId: randomText(20), secretAccessKey: randomText(40) }),
  signing: () => ({ key: randomText(64) }),
  "api-key": ({ firstKeyNamespace }) => ({ key: `tr_prod_${randomText(40)}`, namespace: firstKeyNamespace }),
  "api-keys": () => ({}),
};

/** The controller makes these and may not read them: only the API uses them. */
const ofApi: readonly SecretRole[] = ["signing", "api-key", "api-keys"];

/**
 * Creates the Secrets that the chart leaves to us. Retries until it succeeds or the signal is aborted. Those
 * of the API hold nobody up: they are tried first, and not awaited.
 */
export async function ensureSecrets(
  client: KubeClient,
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const make = (role: SecretRole): Promise<void> =>
    retrying(`create Secret ${config.secrets[role]}`, log, signal, () => ensure(client, config, role, log));
  const isOfApi = (role: SecretRole): boolean => ofApi.includes(role);
  for (const role of config.createSecrets.filter(isOfApi)) void make(role).catch(() => undefined);
  for (const role of config.createSecrets.filter((role) => !isOfApi(role))) await make(role);
}

async function ensure(client: KubeClient, config: Config, role: SecretRole, log: Logger): Promise<void> {
  const name = config.secrets[role];
  if (!ofApi.includes(role) && (await client.get(Secrets, config.namespace, name))) return;
  const secret: V1Secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name,
      namespace: config.namespace,
      labels: {
        [managedByLabel]: "fairlead-controller",
        "app.kubernetes.io/instance": config.fullname,
      },
    },
    type: "Opaque",
    stringData: contents[role](config),
  };
  try {
    await client.create(Secrets, config.namespace, secret);
    log.info({ secret: name }, "created a Secret");
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw error;
  }
}

/** The Secret's values; waits until it exists and has every key. */
export async function readSecret<K extends string>(
  client: KubeClient,
  namespace: string,
  name: string,
  keys: readonly K[],
  log: Logger,
  signal: AbortSignal,
): Promise<Record<K, string>> {
  return retrying(`read Secret ${name}`, log, signal, async () => {
    const secret = await client.get(Secrets, namespace, name, { signal });
    if (!secret) throw new Error(`Secret ${namespace}/${name} does not exist`);
    const missing = keys.filter((key) => !secret.data?.[key]);
    if (missing.length > 0) throw new Error(`Secret ${namespace}/${name} lacks ${missing.join(", ")}`);
    const decode = (key: K) => Buffer.from(secret.data?.[key] ?? "", "base64").toString("utf8");
    return Object.fromEntries(keys.map((key) => [key, decode(key)])) as Record<K, string>;
  });
}

/** Retries until it succeeds or the signal is aborted; until then the readiness probe fails. */
export async function retrying<T>(
  what: string,
  log: Logger,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ err: error, failures }, `${what}: trying again`);
      await pause(Math.min(retryMs * failures, longestRetryMs), signal);
    }
  }
}
