/**
 * The controller of this work tree as a process of this machine, in place of the release's, which is scaled to none
 * meanwhile. It reaches the object store and Redis at their Service addresses, so the cluster must be one whose
 * Services this machine reaches: the built-in one.
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

export async function pauseRelease(): Promise<void> {
  await run("kubectl", ["scale", ...inRelease, deployment, "--replicas=0"]);
  const selector = `app.kubernetes.io/instance=${releaseName},app.kubernetes.io/component=controller`;
  await run("kubectl", [
    "wait",
    ...inRelease,
    "pod",
    "--for=delete",
    "--selector",
    selector,
    "--timeout=90s",
  ]);
}

export async function resumeRelease(): Promise<void> {
  await run("kubectl", ["scale", ...inRelease, deployment, "--replicas=2"]);
  await run("kubectl", ["rollout", "status", ...inRelease, deployment, "--timeout=120s"]);
}

/** The environment that the release's controller has, with addresses instead of names; its program is built. */
export async function controllerEnvironment(namespace: string): Promise<Record<string, string>> {
  await build(["operator"]);
  const { stdout } = await run("kubectl", ["get", ...inRelease, deployment, "-o", "json"]);
  const { spec } = JSON.parse(stdout) as {
    spec: { template: { spec: { containers: { env: { name: string; value?: string }[] }[] } } };
  };
  const env: Record<string, string> = {};
  for (const { name, value } of spec.template.spec.containers[0]?.env ?? []) if (value) env[name] = value;
  for (const name of ["FAIRLEAD_S3_ENDPOINT", "FAIRLEAD_REDIS_URL"])
    env[name] = await byAddress(env[name] ?? "");
  return { ...env, FAIRLEAD_WATCH_NAMESPACES: namespace, FAIRLEAD_LOG_LEVEL: "warn", PORT: "0" };
}

export function startController(env: Record<string, string>): LocalController {
  // The bundle: it starts in a third of the time, and crash tests start a hundred.
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

/** `http://NAME.NAMESPACE.svc:PORT` with the Service's address. */
async function byAddress(url: string): Promise<string> {
  const { hostname } = new URL(url);
  const [name = "", namespace = ""] = hostname.split(".");
  const { stdout } = await run("kubectl", [
    ...["get", "service", name, "--namespace", namespace, "-o", "jsonpath={.spec.clusterIP}"],
  ]);
  return url.replace(hostname, stdout);
}
