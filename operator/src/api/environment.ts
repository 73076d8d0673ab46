/** What the caller's namespace says of itself: its environment (model/environment.ts). */
import type { KubeClient } from "../kube/client/client.ts";
import { Namespaces } from "../kube/resources.ts";
import { type Environment, environmentOf } from "../model/environment.ts";

export async function loadEnvironment(
  client: Pick<KubeClient, "get">,
  namespace: string,
): Promise<Environment> {
  const { metadata = {} } = (await client.get(Namespaces, undefined, namespace)) ?? {};
  return environmentOf(metadata);
}
