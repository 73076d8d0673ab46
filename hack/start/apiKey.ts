/** The key that a backend on this machine triggers with: a Secret like any other key, made once. */

import { randomBytes } from "node:crypto";
import { apiKeyLabel } from "@fairlead/protocol/labels";
import { run } from "../lib/exec.ts";
import { releaseName, releaseNamespace } from "./release.ts";

const inRelease = ["--namespace", releaseNamespace];

/** Returns the key that opens this namespace. */
export async function ensureApiKey(namespace: string): Promise<string> {
  const name = `${releaseName}-key-${namespace}`;
  const read = async (): Promise<string> => {
    const { stdout } = await run("kubectl", [
      ...["get", "secret", name, ...inRelease, "--ignore-not-found", "-o", "jsonpath={.data.key}"],
    ]);
    return Buffer.from(stdout, "base64").toString("utf8");
  };
  const known = await read();
  if (known) return known;
  await run("kubectl", ["create", ...inRelease, "-f", "-"], {
    input: JSON.stringify({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, labels: { [apiKeyLabel]: "true" } },
      stringData: {
        key: `tr_prod_${randomBytes(18).toString("base64url").replace(/[-_]/g, "0")}`,
        namespace,
      },
    }),
  });
  return read();
}

/** Where the API is: its Service's address, where this machine reaches it. */
export async function apiAddress(): Promise<string> {
  const { stdout } = await run("kubectl", [
    ...["get", "service", `${releaseName}-api`, ...inRelease, "-o", "jsonpath={.spec.clusterIP}"],
  ]);
  return `http://${stdout}`;
}
