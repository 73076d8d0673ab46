/** Admission gets the limit of a namespace, and forgets one that was deleted. */
import { done, type Requeue } from "../../kube/manager/requeue.ts";
import type { Deps } from "../deps.ts";

export type NamespaceDeps = Pick<Deps, "environments" | "admission">;

export async function reconcileNamespace(
  { environments, admission }: NamespaceDeps,
  namespace: string,
): Promise<Requeue> {
  if (environments.exists(namespace)) {
    admission.setNamespaceLimit(namespace, environments.limitOf(namespace));
  } else await admission.drop(namespace);
  return done;
}
