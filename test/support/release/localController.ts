/**
 * This work tree's controller as a process of this machine, in place of the release's, which is scaled to
 * zero meanwhile. It connects to the cluster IPs of the object store and Redis, which this machine reaches
 * only with the built-in cluster.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { build } from "../../../hack/build.ts";
import { run } from "../../../hack/lib/exec.ts";
import { repoRoot } from "../../../hack/lib/paths.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";

const inRelease = ["--namespace", releaseNamespace];
const deployment = `deployment/${releaseName}-controller`;

export interface LocalController {
  /** Resolves with the exit code, or with the signal that ended it. */
  ended: Promise<number | string>;
  output: () => string;
  stop(): Promise<void>;
}

export async function scaleDownRelease(): Promise<void> {
  await run("kubectl", ["scale", ...inRelease, deployment, "--replicas=0"]);
  const selector = `app.kubernetes.io/instance=${releaseName},app.kubernetes.io/component=controller`;
  const flags = ["--for=delete", "--selector", selector, "--timeout=90s"];
  await run("kubectl", ["wait", ...inRelease, "pod", ...flags]);
}

export async function scaleUpRelease(): Promise<void> {
  await run("kubectl", ["scale", ...inRelease, deployment, "--replicas=2"]);
  await run("kubectl", ["rollout", "status", ...inRelease, deployment, "--timeout=120s"]);
}

/**
 * Builds the controller, and returns the environment that the release's has, with addresses in place of
 * names.
 */
export async function prepareController(namespace: string): Promise<Record<string, string>> {
  await build(["operator"]);
  const { stdout } = await run("kubectl", ["get", ...inRelease, deployment, "-o", "json"]);
  const { spec } = JSON.parse(stdout) as {
    spec: { template: { spec: { containers: { env: { name: string; value?: string }[] }[] } } };
  };
  const env: Record<string, string> = {};
  for (const { name, value } of spec.template.spec.containers[0]?.env ?? []) if (value) env[name] = value;
  for (const name of ["FAIRLEAD_S3_ENDPOINT", "FAIRLEAD_REDIS_URL"])
    env[name] = await withAddress(env[name] ?? "");
  return { ...env, FAIRLEAD_WATCH_NAMESPACES: namespace, FAIRLEAD_LOG_LEVEL: "warn", PORT: "0" };
}

export function startController(env: Record<string, string>): LocalController {
  // The bundle starts three times as fast as the sources, and crash tests start it a hundred times.
  const child = spawn(process.execPath, [join(repoRoot, "operator", "dist", "main.js"), "controller"], {
    env: { PATH: process.env.PATH, KUBECONFIG: process.env.KUBECONFIG, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = collect(child);
  const ended = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
  return {
    ended,
    output,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

function collect(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (data: Buffer) => {
      text = (text + data.toString()).slice(-20_000);
    });
  }
  return () => text;
}

/** `http://NAME.NAMESPACE.svc:PORT` with the Service's cluster IP in place of its name. */
async function withAddress(url: string): Promise<string> {
  const { hostname } = new URL(url);
  const [name = "", namespace = ""] = hostname.split(".");
  const args = ["get", "service", name, "--namespace", namespace, "-o", "jsonpath={.spec.clusterIP}"];
  const { stdout } = await run("kubectl", args);
  return url.replace(hostname, stdout);
}
