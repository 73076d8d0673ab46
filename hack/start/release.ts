/** The chart as a release of the cluster in KUBECONFIG: installed, or upgraded to what the work tree has. */
import { join } from "node:path";
import { valuesFile } from "../images/imageFiles.ts";
import { ExecError, run, tryRun } from "../lib/exec.ts";
import { repoRoot } from "../lib/paths.ts";
import { say, step } from "../lib/progress.ts";

export const releaseName = "fairlead";
export const releaseNamespace = "fairlead";
const timeout = "5m";

/** Waits until every pod is ready. `set`: further values, `a.b=c`. */
export async function installRelease(set: readonly string[] = []): Promise<void> {
  const persistence = (await hasDefaultStorageClass()) ? [] : ["persistence.enabled=false"];
  if (persistence.length > 0) {
    say(
      "The cluster has no default StorageClass: Redis and the object store forget everything with their pods.",
    );
  }
  const values = [...persistence, ...set].flatMap((value) => ["--set", value]);
  const command = [
    ...["upgrade", "--install", releaseName, join(repoRoot, "charts", "fairlead")],
    ...["--namespace", releaseNamespace, "--create-namespace", "--values", valuesFile],
    // CRDs outlive a release; one that was uninstalled elsewhere may have left its mark on them.
    ...["--take-ownership", "--wait", "--timeout", timeout, ...values],
  ];
  await step(`helm upgrade --install ${releaseName} charts/fairlead`, async () => {
    await unlock();
    const first = await tryRun("helm", command);
    if (first.code === 0) return;
    if (!/StatefulSet\.apps .* is invalid: spec: Forbidden/.test(first.stderr))
      throw new ExecError("helm upgrade", first);
    // A release of an earlier work tree whose volumes were declared otherwise: its pods and volumes stay.
    const sets = ["--selector", `app.kubernetes.io/instance=${releaseName}`, "--cascade=orphan"];
    await run("kubectl", ["delete", "statefulset", "--namespace", releaseNamespace, ...sets]);
    await run("helm", command);
  });
}

/** A helm that was killed leaves its release `pending-…`, and every later one refuses: that record goes. */
async function unlock(): Promise<void> {
  const selector = `owner=helm,name=${releaseName},status in (pending-install,pending-upgrade,pending-rollback)`;
  await run("kubectl", [
    ...["delete", "secret", "--namespace", releaseNamespace, "--ignore-not-found", "--selector", selector],
  ]);
}

async function hasDefaultStorageClass(): Promise<boolean> {
  const { stdout } = await run("kubectl", ["get", "storageclasses", "-o", "json"]);
  const { items } = JSON.parse(stdout) as { items: { metadata: { annotations?: Record<string, string> } }[] };
  return items.some(
    ({ metadata }) => metadata.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true",
  );
}
