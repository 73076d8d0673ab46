/** Installs the chart of this work tree into the cluster in KUBECONFIG, or upgrades its release. */
import { join } from "node:path";
import { valuesFile } from "../images/imageFiles.ts";
import { run } from "../lib/exec.ts";
import { repoRoot } from "../lib/paths.ts";
import { say, step } from "../lib/progress.ts";

export const releaseName = "fairlead";
export const releaseNamespace = "fairlead";
const timeout = "5m";

/** Waits until every pod is ready. `set`: further values, `a.b=c`. */
export async function installRelease(set: readonly string[] = []): Promise<void> {
  const persistence = (await hasDefaultStorageClass()) ? [] : ["persistence.enabled=false"];
  if (persistence.length > 0) {
    say("The cluster has no default StorageClass: the object store loses its data with its pod.");
  }
  const values = [...persistence, ...set].flatMap((value) => ["--set", value]);
  const namespace = ["--namespace", releaseNamespace, "--create-namespace"];
  // CRDs outlive a release, and may still name an earlier release as their owner.
  const flags = ["--take-ownership", "--wait", "--timeout", timeout, "--values", valuesFile, ...values];
  const chart = join(repoRoot, "charts", "fairlead");
  const command = ["upgrade", "--install", releaseName, chart, ...namespace, ...flags];
  await step(`helm upgrade --install ${releaseName} charts/fairlead`, async () => {
    await unlock();
    await run("helm", command);
  });
}

/** A killed helm leaves its release `pending-…`, which every later upgrade refuses: delete that record. */
async function unlock(): Promise<void> {
  const selector = `owner=helm,name=${releaseName},status in (pending-install,pending-upgrade,pending-rollback)`;
  const flags = ["--namespace", releaseNamespace, "--ignore-not-found", "--selector", selector];
  await run("kubectl", ["delete", "secret", ...flags]);
}

async function hasDefaultStorageClass(): Promise<boolean> {
  const { stdout } = await run("kubectl", ["get", "storageclasses", "-o", "json"]);
  const { items } = JSON.parse(stdout) as { items: { metadata: { annotations?: Record<string, string> } }[] };
  return items.some(
    ({ metadata }) => metadata.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true",
  );
}
