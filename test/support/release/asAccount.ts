/** A client of the API server that is one of the release's own service accounts, with a token of its own. */
import { KubeConfig } from "@kubernetes/client-node";
import { run } from "../../../hack/lib/exec.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";
import { KubeClient } from "../../../operator/src/kube/client/client.ts";

export type Component = "controller" | "api" | "test";

export async function clientOf(component: Component): Promise<KubeClient> {
  const account = `${releaseName}-${component}`;
  const { stdout } = await run("kubectl", ["create", "token", account, "--namespace", releaseNamespace]);
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error("the kubeconfig names no cluster");
  config.loadFromClusterAndUser(cluster, { name: account, token: stdout.trim() });
  return new KubeClient(config);
}
