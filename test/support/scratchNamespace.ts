/**
 * A namespace of the cluster in FAIRLEAD_KUBECONFIG or KUBECONFIG for tests of kube/, which need an API
 * server but nothing of Fairlead; ConfigMaps are the objects that they watch and write.
 */
import { randomBytes } from "node:crypto";
import { KubeConfig, type V1ConfigMap } from "@kubernetes/client-node";
import { waitFor } from "../../hack/lib/wait.ts";
import { KubeClient } from "../../operator/src/kube/client/client.ts";
import { type KubeObject, Namespaces, type Resource } from "../../operator/src/kube/resources.ts";

export const ConfigMaps: Resource<V1ConfigMap> = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
};

export const Definitions: Resource<KubeObject> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};

export function clusterConfig(): KubeConfig {
  const file = process.env.FAIRLEAD_KUBECONFIG || process.env.KUBECONFIG;
  if (!file)
    throw new Error("KUBECONFIG is not set: set it to a cluster, or run `npm test`, which starts one");
  const config = new KubeConfig();
  config.loadFromFile(file);
  return config;
}

export class ScratchNamespace {
  readonly name: string;
  readonly client: KubeClient;

  private constructor(name: string, client: KubeClient) {
    this.name = name;
    this.client = client;
  }

  static async create(purpose: string): Promise<ScratchNamespace> {
    const client = new KubeClient(clusterConfig());
    const name = `fairlead-test-${purpose}-${randomBytes(4).toString("hex")}`;
    await client.create(Namespaces, undefined, { metadata: { name } });
    return new ScratchNamespace(name, client);
  }

  async remove(): Promise<void> {
    await this.client.delete(Namespaces, undefined, this.name);
    await this.client.close();
  }
}

export function configMap(name: string, data: Record<string, string> = {}): V1ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels: { suite: "kube" } }, data };
}

/** Defines a new kind. Every resourceVersion from before is too old for a watch of it. */
export async function createKind(
  client: KubeClient,
): Promise<{ resource: Resource<V1ConfigMap>; remove: () => Promise<void> }> {
  const group = `${randomBytes(4).toString("hex")}.test.fairlead.dev`;
  const names = { kind: "Thing", listKind: "ThingList", plural: "things", singular: "thing" };
  const openAPIV3Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names,
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
  await client.create(Definitions, undefined, definition);
  const resource = { group, version: "v1", plural: "things", kind: "Thing", namespaced: true };
  // A list of an unknown kind throws, which counts as "not yet".
  await waitFor("the new kind is served", () => client.list(resource, undefined));
  return {
    resource,
    remove: async () => {
      await client.delete(Definitions, undefined, definition.metadata.name);
    },
  };
}
