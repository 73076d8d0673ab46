/**
 * Admission gets the limit of a namespace, and forgets one that was deleted. A setting that counts as absent
 * because it is wrong is an Event in the namespace.
 */
import { done, type Requeue } from "../../kube/manager/requeue.ts";
import type { Deps } from "../deps.ts";

export type NamespaceDeps = Pick<Deps, "environments" | "admission" | "record"> & {
  owners: Pick<Deps["owners"], "otherOwner">;
};

export async function reconcileNamespace(
  { environments, admission, owners, record }: NamespaceDeps,
  namespace: string,
): Promise<Requeue> {
  if (environments.exists(namespace)) {
    admission.setNamespaceLimit(namespace, environments.limitOf(namespace));
    if (owners.otherOwner(namespace) === undefined)
      for (const message of environments.of(namespace).problems)
        record(eventTarget(namespace), { type: "Warning", reason: "InvalidSetting", message });
  } else await admission.drop(namespace);
  return done;
}

/** The Namespace, as something within itself: there its users look for Events. */
const eventTarget = (namespace: string) => ({
  ...{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, namespace } },
});
