/**
 * The rights of a release's own service accounts on an API server: the chart's roles and admission policies.
 */
import { type Manifest, render, type Values } from "../../../charts/fairlead/test/render.ts";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import type { KubeObject, Resource } from "../../../operator/src/kube/resources.ts";

const plurals: Record<string, string> = {
  ...{ ClusterRole: "clusterroles", ClusterRoleBinding: "clusterrolebindings" },
  ...{ Role: "roles", RoleBinding: "rolebindings" },
  ValidatingAdmissionPolicy: "validatingadmissionpolicies",
  ValidatingAdmissionPolicyBinding: "validatingadmissionpolicybindings",
};

/** The user that a process of the release is. */
export const accountOf = (namespace: string, component: "controller" | "api"): string =>
  `system:serviceaccount:${namespace}:fairlead-${component}`;

/** Of a release with the name `fairlead`; `chosen` leaves out some. Its namespaces must exist. */
export async function installOwnRights(
  admin: KubeClient,
  namespace: string,
  values: Values = {},
  chosen: (manifest: Manifest) => boolean = () => true,
): Promise<void> {
  const rendered = await render({ admissionPolicy: { enabled: true }, ...values }, { namespace });
  for (const manifest of rendered.filter(({ kind }) => plurals[kind]).filter(chosen)) {
    const [group = "", version = ""] = manifest.apiVersion.split("/");
    const kind: Resource<KubeObject> = {
      ...{ group, version, plural: plurals[manifest.kind] ?? "", kind: manifest.kind },
      namespaced: manifest.metadata.namespace !== undefined,
    };
    await admin.create(kind, manifest.metadata.namespace, manifest as KubeObject);
  }
}
