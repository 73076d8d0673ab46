/** Before the end-to-end tests: the chart of this work tree is what the cluster runs. */
import { installRelease } from "../../../hack/start/release.ts";

export async function setup(): Promise<void> {
  if (!process.env.KUBECONFIG) {
    throw new Error("KUBECONFIG is not set: run `npm test e2e`, which brings up the cluster and the images");
  }
  await installRelease();
}
