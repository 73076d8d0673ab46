/**
 * Credentials that live in Secrets of the release's namespace.
 *
 * The controller makes those that are absent, once: create is the arbiter between replicas, an existing Secret is
 * never changed. Helm renders none of them, so nothing rotates under `helm template` or a GitOps tool.
 */

import { randomBytes } from "node:crypto";
import { apiKeyLabel, managedByLabel } from "@fairlead/protocol/labels";
import type { V1Secret } from "@kubernetes/client-node";
import type { Logger } from "pino";
import type { Config, SecretRole } from "../config.ts";
import type { KubeClient } from "../kube/client/client.ts";
import { KubeError } from "../kube/client/client.ts";
import { Secrets } from "../kube/resources.ts";
import { pause } from "../lib/time.ts";

const retryMs = 1_000;
const longestRetryMs = 5_000;

/** Letters and digits only: it goes into URLs, config files and shells. */
export function randomText(length: number): string {
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
  "api-key": ({ namespace }) => ({ key: `tr_prod_${randomText(24)}`, namespace }),
};

/** Makes the Secrets that the chart leaves to us. Repeats until it worked or the signal is aborted. */
export async function ensureSecrets(
  client: KubeClient,
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (const role of config.createSecrets) {
    await retrying(`make Secret ${config.secrets[role]}`, log, signal, () =>
      ensure(client, config, role, log),
    );
  }
}

async function ensure(client: KubeClient, config: Config, role: SecretRole, log: Logger): Promise<void> {
  const name = config.secrets[role];
  if (await client.get(Secrets, config.namespace, name)) return;
  const secret: V1Secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name,
      namespace: config.namespace,
      labels: {
        [managedByLabel]: "fairlead-controller",
        "app.kubernetes.io/instance": config.fullname,
        ...(role === "api-key" ? { [apiKeyLabel]: "true" } : {}),
      },
    },
    type: "Opaque",
    stringData: contents[role](config),
  };
  try {
    await client.create(Secrets, config.namespace, secret);
    log.info({ secret: name }, "made a Secret");
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw error;
  }
}

/** The Secret's values; waits until it is there and has every key. */
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
    if (!secret) throw new Error(`there is no Secret ${name} in namespace ${namespace}`);
    const missing = keys.filter((key) => !secret.data?.[key]);
    if (missing.length > 0) throw new Error(`Secret ${namespace}/${name} lacks ${missing.join(", ")}`);
    const decode = (key: K) => Buffer.from(secret.data?.[key] ?? "", "base64").toString("utf8");
    return Object.fromEntries(keys.map((key) => [key, decode(key)])) as Record<K, string>;
  });
}

/** Until it works or the signal is aborted; the readiness probe tells that it has not. */
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
