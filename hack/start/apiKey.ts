/** API keys of the release: entries of one Secret, named `<namespace>.<name>`. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { weakness } from "../../operator/src/model/randomText.ts";
import { run } from "../lib/exec.ts";
import { releaseName, releaseNamespace } from "./release.ts";

const inRelease = ["--namespace", releaseNamespace];
const secret = `${releaseName}-api-keys`;

/** The key that a backend on this machine uses in the namespace; makes one if there is none that counts. */
export async function ensureApiKey(namespace: string): Promise<string> {
  const name = "start";
  const path = `jsonpath={.data.${namespace}\\.${name}}`;
  const { stdout } = await run("kubectl", ["get", "secret", secret, ...inRelease, "-o", path]);
  const known = Buffer.from(stdout, "base64").toString("utf8");
  if (known && !weakness(known)) return known;
  const key = newKey();
  await addApiKey(namespace, name, key);
  return key;
}

export const newKey = (): string => `tr_prod_${randomBytes(16).toString("hex")}`;

/** Replaces one of that name. The API knows it a moment later. */
export async function addApiKey(namespace: string, name: string, key: string): Promise<void> {
  await patch({ stringData: { [`${namespace}.${name}`]: key } });
}

export async function removeApiKey(namespace: string, name: string): Promise<void> {
  await patch({ data: { [`${namespace}.${name}`]: null } });
}

/** By a file: every user of the machine can read arguments, and a child's standard input has no path. */
async function patch(body: object): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-key-"));
  try {
    const file = join(folder, "patch.json");
    writeFileSync(file, JSON.stringify(body), { mode: 0o600 });
    await run("kubectl", ["patch", "secret", secret, ...inRelease, "--type=merge", `--patch-file=${file}`]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The API's address: its Service's cluster IP, which this machine reaches with the built-in cluster. */
export async function apiAddress(): Promise<string> {
  const service = ["service", `${releaseName}-api`, ...inRelease];
  const { stdout } = await run("kubectl", ["get", ...service, "-o", "jsonpath={.spec.clusterIP}"]);
  return `http://${stdout}`;
}
