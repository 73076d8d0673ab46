/** Before the suites on a cluster: installs the release from the chart and the images of this work tree. */
import { installRelease } from "../../../hack/start/release.ts";

export async function setup(): Promise<void> {
  if (!process.env.KUBECONFIG) {
    throw new Error("KUBECONFIG is not set: run `npm test e2e`, which brings up the cluster and the images");
  }
  await installRelease();
}
