/**
 * `npm test [SUITE…]`: every suite in turn: unit, then the cluster (the other suites use its programs),
 * chart, integration, the images, e2e, security and disruption. A suite that fails does not stop the next. A
 * cluster or image that cannot be provided counts as one failure, and what needs it is then left out. Reports
 * go to .fairlead/reports/, the failures are listed at the end, and the last line on stdout is the count: `N
 * passed, N failed`.
 */
import { rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chooseProvider } from "./cluster/choose.ts";
import { runInherited } from "./lib/exec.ts";
import { repoRoot } from "./lib/paths.ts";
import { say, seconds } from "./lib/progress.ts";
import {
  type Count,
  countFile,
  countReports,
  formatCount,
  listFailures,
  reportFailure,
  reportFolder,
} from "./testReport.ts";

const suites = ["unit", "chart", "integration", "e2e", "security", "disruption"] as const;
/** Runs only by its name, on a built-in cluster of its own with two nodes. */
const ownCluster = "nodes";
type Suite = (typeof suites)[number] | typeof ownCluster;

interface PhaseResult {
  name: string;
  milliseconds: number;
  /** A suite's tests, or how a preparation ended. */
  count: Count | "ready" | "failed" | "left out";
}

const started = performance.now();
const results: PhaseResult[] = [];
const chosen = chosenSuites(process.argv.slice(2));

rmSync(reportFolder, { recursive: true, force: true });
if (chosen.includes("unit")) await suite("unit");
if (chosen.some((name) => name !== "unit" && name !== ownCluster)) {
  const cluster = await prepare("cluster", ["hack/cluster/main.ts", "up"]);
  if (cluster) await useCluster();
  if (chosen.includes("chart")) await suite("chart");
  if (chosen.includes("integration")) await suite("integration");
  const onCluster = (["e2e", "security", "disruption"] as const).filter((name) => chosen.includes(name));
  if (onCluster.length > 0) {
    const images = cluster && (await prepare("images", ["hack/images/main.ts", "--load", "--tests"]));
    for (const name of onCluster) {
      if (images) await suite(name);
      else results.push({ name, milliseconds: 0, count: "left out" });
    }
  }
}
if (chosen.includes(ownCluster)) await nodesSuite();
summarize();

function chosenSuites(names: string[]): readonly Suite[] {
  const known: readonly string[] = [...suites, ownCluster];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`no suite named ${unknown.join(", ")}; there are ${known.join(", ")}`);
    process.exit(2);
  }
  return names.length > 0 ? (names as Suite[]) : suites;
}

async function suite(name: Suite): Promise<void> {
  const report = join(reportFolder, `${name}.json`);
  const args = ["run", "--project", name, "--passWithNoTests", "--reporter=default", "--reporter=json"];
  // These wait more than they compute: three at once, even on two cores.
  if (name === "integration" || name === "e2e" || name === "security") args.push("--maxWorkers=3");
  const begun = announce(`${name} tests`);
  const vitest = join(repoRoot, "node_modules", ".bin", "vitest");
  const code = await runInherited(process.execPath, [vitest, ...args, `--outputFile.json=${report}`], {
    cwd: repoRoot,
  });
  const count = countFile(report);
  // vitest also fails for errors outside of any test, which its report does not count.
  if (code !== 0 && count.failed === 0) {
    count.failed = 1;
    reportFailure(`${name}-process`, `vitest ended with exit code ${code}`);
  }
  results.push({ name, milliseconds: performance.now() - begun, count });
}

async function nodesSuite(): Promise<void> {
  Object.assign(process.env, { CLUSTER: "built-in", FAIRLEAD_CLUSTER: ownCluster });
  const cluster = await prepare("two nodes", ["hack/cluster/main.ts", "up", "--nodes", "2"]);
  if (cluster) await useCluster();
  const images = cluster && (await prepare("images", ["hack/images/main.ts", "--load", "--tests"]));
  if (images) await suite(ownCluster);
  else results.push({ name: ownCluster, milliseconds: 0, count: "left out" });
  await prepare("two nodes down", ["hack/cluster/main.ts", "down"]);
}

/** Runs a script that a later phase needs; returns whether it succeeded. */
async function prepare(name: string, args: readonly string[]): Promise<boolean> {
  const begun = announce(name);
  const code = await runInherited(process.execPath, args, { cwd: repoRoot });
  if (code !== 0) reportFailure(name, `${args.join(" ")} ended with exit code ${code}`);
  results.push({ name, milliseconds: performance.now() - begun, count: code === 0 ? "ready" : "failed" });
  return code === 0;
}

/** KUBECONFIG, and a PATH with kubectl and helm, for the tests. */
async function useCluster(): Promise<void> {
  const { kubeconfig, path } = await (await chooseProvider()).access();
  process.env.KUBECONFIG = kubeconfig;
  process.env.PATH = [...path, process.env.PATH ?? ""].join(delimiter);
}

function announce(name: string): number {
  const begun = performance.now();
  say(`\n── ${name} (after ${seconds(begun - started)}) ──`);
  return begun;
}

function summarize(): void {
  say("");
  for (const { name, milliseconds, count } of results) {
    const outcome = typeof count === "string" ? count : formatCount(count);
    say(`  ${name.padEnd(12)} ${outcome.padEnd(24)} ${seconds(milliseconds)}`);
  }
  for (const failure of listFailures()) say(`\n  ✗ ${failure}`);
  const total = countReports();
  say(`  ${"total".padEnd(12)} ${"".padEnd(24)} ${seconds(performance.now() - started)}`);
  process.exitCode = total.failed > 0 ? 1 : 0;
  console.log(formatCount(total));
}
