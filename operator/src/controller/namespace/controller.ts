/**
 * Namespaces: the limit of each goes to admission. Their changes come from `Environments`, which may not
 * watch them.
 */
import { type Controller, controllerOf } from "../../kube/manager/controller.ts";
import { type NamespaceDeps, reconcileNamespace } from "./reconciler.ts";

export const namespaces: Controller<NamespaceDeps> = {
  ...controllerOf<NamespaceDeps>({
    name: "namespace",
    watches: [
      ({ environments }, { add }) => {
        environments.onChange = add;
      },
    ],
    reconcile: reconcileNamespace,
  }),
  initialKeys: ({ environments }) => [...environments.names()],
};
