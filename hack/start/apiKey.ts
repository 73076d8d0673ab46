/** The secret key that a backend on this machine uses: a Secret like that of any other key, created once. */
import { randomBytes } from "node:crypto";
import { apiKeyLabel } from "@fairlead/protocol/labels";
import { weakness } from "../../operator/src/model/randomText.ts";
import { run } from "../lib/exec.ts";
import { releaseName, releaseNamespace } from "./release.ts";

const inRelease = ["--namespace", releaseNamespace];

/** Returns the secret key of this namespace; creates it when it does not exist, or counts no more. */
export async function ensureApiKey(namespace: string): Promise<string> {
  const name = `${releaseName}-key-${namespace}`;
  const read = async (): Promise<string> => {
    const flags = ["--ignore-not-found", "-o", "jsonpath={.data.key}"];
    const { stdout } = await run("kubectl", ["get", "secret", name, ...inRelease, ...flags]);
    return Buffer.from(stdout, "base64").toString("utf8");
  };
  const known = await read();
  if (known && !weakness(known)) return known;
  await run("kubectl", ["apply", ...inRelease, "-f", "-"], {
    input: JSON.stringify({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, labels: { [apiKeyLabel]: "true" } },
      stringData: {
        key: `tr_prod_${randomBytes(30).toString("base64url").replace(/[-_]/g, "0")}`,
        namespace,
      },
    }),
  });
  return read();
}

/** The API's address: its Service's cluster IP, which this machine reaches with the built-in cluster. */
export async function apiAddress(): Promise<string> {
  const service = ["service", `${releaseName}-api`, ...inRelease];
  const { stdout } = await run("kubectl", ["get", ...service, "-o", "jsonpath={.spec.clusterIP}"]);
  return `http://${stdout}`;
}
