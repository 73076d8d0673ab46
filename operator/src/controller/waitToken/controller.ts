/** WaitTokens. */
import { controllerOf } from "../../kube/manager/controller.ts";
import type { WaitToken } from "../../model/resources.ts";
import { reconcileWaitToken, type WaitTokenDeps } from "./reconciler.ts";

export const waitTokens = controllerOf<WaitTokenDeps, WaitToken>({
  name: "waitToken",
  objects: ({ waitTokens: tokens }) => tokens,
  watches: [],
  reconcile: reconcileWaitToken,
});
