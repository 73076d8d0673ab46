/** The release's bucket, read with its own credentials through a port-forward. */
import { readOutput } from "../../../hack/start/run.ts";

export async function objectText(key: string | undefined): Promise<string> {
  if (!key) throw new Error("no object key");
  return readOutput(process.env.KUBECONFIG ?? "", { key, size: 0, type: "" });
}
