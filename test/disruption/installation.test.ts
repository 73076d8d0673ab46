/**
 * The release itself: its own check, upgrades, an installation with Roles instead of ClusterRoles, and an
 * uninstall that does not hang.
 */
import { afterAll, expect, test } from "vitest";
import { valuesFile } from "../../hack/images/imageFiles.ts";
import { run, tryRun } from "../../hack/lib/exec.ts";
import { repoRoot } from "../../hack/lib/paths.ts";
import { installRelease, releaseName, releaseNamespace } from "../../hack/start/release.ts";
import { shell } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

const chart = `${repoRoot}/charts/fairlead`;
const minutes = 60_000;

afterAll(() => installRelease());

test("helm test runs a TaskRun", async () => {
  const { stdout } = await run("helm", [
    "test",
    releaseName,
    "--namespace",
    releaseNamespace,
    "--logs",
    "--timeout",
    "3m",
  ]);
  expect(stdout).toMatch(/Phase:\s+Succeeded/);
  expect(stdout).toContain("Completed:");
});

test("no pod of the release restarts or is refused by Pod Security", async () => {
  const { stdout } = await run("kubectl", ["get", "pods", "--namespace", releaseNamespace, "-o", "json"]);
  const { items } = JSON.parse(stdout) as {
    items: { status: { containerStatuses?: { restartCount: number }[] } }[];
  };
  expect(items.length).toBeGreaterThanOrEqual(6);
  const restricted = [
    "label",
    "namespace",
    releaseNamespace,
    "pod-security.kubernetes.io/enforce=restricted",
  ];
  const { stderr } = await run("kubectl", [...restricted, "--dry-run=server", "--overwrite"]);
  expect(stderr).not.toContain("violate");
});

test("an upgrade keeps the Secrets that were made", async () => {
  const secrets = async () => {
    const made = "app.kubernetes.io/managed-by=fairlead-controller";
    const args = ["get", "secrets", "--namespace", releaseNamespace, "--selector", made, "-o", "json"];
    const { stdout } = await run("kubectl", args);
    const { items } = JSON.parse(stdout) as {
      items: { metadata: { name: string }; data: object }[];
    };
    return items.map(({ metadata, data }) => [metadata.name, data]);
  };
  const before = await secrets();
  expect(before).toHaveLength(5);
  await installRelease();
  expect(await secrets()).toEqual(before);
});

test("an uninstall with runs under way does not hang, and keeps the CRDs and their data", {
  timeout: 10 * minutes,
}, async () => {
  const ns = await TestNamespace.create("orphan");
  await ns.startRun("left", { ...shell("sleep 300"), podTemplate: { terminationGracePeriodSeconds: 1 } });
  await ns.untilPhase("left", "Executing");
  await run("helm", ["uninstall", releaseName, "--namespace", releaseNamespace, "--wait", "--timeout", "3m"]);
  expect((await ns.loadRun("left")).status?.phase).toBe("Executing");
  await run("kubectl", ["delete", "namespace", releaseNamespace, "--timeout=120s"]);
  await run("kubectl", ["delete", "namespace", ns.name, "--timeout=120s"]);
  const crds = await run("kubectl", [
    "get",
    "crd",
    "tasks.fairlead.dev",
    "taskruns.fairlead.dev",
    "-o",
    "name",
  ]);
  expect(crds.stdout.trim().split("\n")).toHaveLength(2);
});

test("a release limited to one namespace and without persistence runs what is in that namespace only", async () => {
  // Two releases that watch the same namespace would both run what is in it.
  const { stdout } = await run("helm", ["list", "--all-namespaces", "--short"]);
  if (stdout.split("\n").includes(releaseName)) {
    await run("helm", [
      "uninstall",
      releaseName,
      "--namespace",
      releaseNamespace,
      "--wait",
      "--timeout",
      "3m",
    ]);
  }
  const only = await TestNamespace.create("only");
  const other = await TestNamespace.create("other");
  const install = [
    "install",
    "small",
    chart,
    "--namespace",
    only.name,
    "--values",
    valuesFile,
    "--take-ownership",
  ];
  const set = [
    `watchNamespaces={${only.name}}`,
    "podPolicy.releaseNamespace=true",
    "persistence.enabled=false",
    "controller.replicas=1",
    "api.replicas=1",
  ];
  await run("helm", [...install, "--wait", "--timeout", "3m", ...set.flatMap((value) => ["--set", value])]);
  const roles = await tryRun("kubectl", [
    "get",
    "clusterrole,clusterrolebinding",
    "-l",
    "app.kubernetes.io/instance=small",
    "-o",
    "name",
  ]);
  const users = `clusterrole.rbac.authorization.k8s.io/${only.name}-small-fairlead-`;
  expect(roles.stdout.trim().split("\n").sort()).toEqual([`${users}edit`, `${users}view`]);
  await run("helm", ["test", "small", "--namespace", only.name, "--timeout", "3m"]);
  await other.startRun("elsewhere", shell("exit 0"));
  await only.startRun("here", shell("exit 0"));
  expect(await only.untilFinished("here")).toMatchObject({ phase: "Completed" });
  expect((await other.loadRun("elsewhere")).status).toBeUndefined();
  await run("helm", ["uninstall", "small", "--namespace", only.name, "--wait", "--timeout", "3m"]);
  await Promise.all([only.remove(), other.remove()]);
});
