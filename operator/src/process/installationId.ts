/**
 * What distinguishes this installation from every other one that may share its Redis or bucket: the
 * release's name, and the uid of its namespace, which differs between clusters and stays when a cluster is
 * restored from a backup. A setting wins, for keys that shall survive a move to another namespace.
 */
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import type { KubeClient } from "../kube/client/client.ts";
import { Namespaces } from "../kube/resources.ts";
import { retrying } from "./secrets.ts";

export async function installationId(
  client: Pick<KubeClient, "get">,
  config: Pick<Config, "installationId" | "namespace" | "fullname">,
  log: Logger,
  signal: AbortSignal,
): Promise<string> {
  if (config.installationId !== "") return config.installationId;
  const own = await retrying("read the release's namespace", log, signal, async () => {
    const namespace = await client.get(Namespaces, undefined, config.namespace, { signal });
    if (!namespace?.metadata?.uid) throw new Error(`namespace ${config.namespace} does not exist`);
    return namespace;
  });
  return `${config.fullname}.${own.metadata?.uid}`;
}
