/** The release's bucket, read with its own credentials through a port-forward. */
import { readOutput } from "../../../hack/start/run.ts";

export async function loadObject(key: string | undefined): Promise<string> {
  if (!key) throw new Error("the object key is missing");
  return readOutput(process.env.KUBECONFIG ?? "", { key, size: 0, type: "" });
}
