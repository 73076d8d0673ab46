/** Before the suite that loses nodes: the release, with a node counted as lost after half a minute. */
import { installRelease } from "../../../hack/start/release.ts";

export async function setup(): Promise<void> {
  if (!process.env.KUBECONFIG) throw new Error("KUBECONFIG is not set: run `npm test nodes`");
  await installRelease(["nodeLostAfterSeconds=30"]);
}
