/** Follows one TaskRun, and reads its output from the release's object store. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { KubeConfig } from "@kubernetes/client-node";
import { KubeClient } from "../../operator/src/kube/client/client.ts";
import { Secrets } from "../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import type { OutputRef, TaskRun, TaskRunStatus } from "../../operator/src/model/resources.ts";
import { isTerminal } from "../../operator/src/model/run/phase.ts";
import { Bucket } from "../../operator/src/storage/bucket.ts";
import { seconds } from "../lib/progress.ts";
import { releaseName, releaseNamespace } from "./release.ts";

const limitMs = 180_000;
const outputBytes = 1024 * 1024;

/** Prints every phase with the time since the start; resolves when the run has finished. */
export async function followRun(
  kubeconfig: string,
  namespace: string,
  name: string,
  print: (line: string) => void,
): Promise<TaskRunStatus> {
  const client = clientOf(kubeconfig);
  const began = performance.now();
  try {
    const first = await client.get(TaskRuns, namespace, name);
    if (!first) throw new Error(`there is no TaskRun ${namespace}/${name}`);
    const watch = client.watch(TaskRuns, namespace, {
      resourceVersion: first.metadata.resourceVersion ?? "0",
      fieldSelector: `metadata.name=${name}`,
      timeoutSeconds: limitMs / 1000,
      signal: AbortSignal.timeout(limitMs),
    });
    let printed: string | undefined;
    const printStatus = ({ status }: TaskRun): TaskRunStatus | undefined => {
      const line = `${(status?.phase ?? "").padEnd(10)} ${status?.message ?? ""}`;
      if (status?.phase && line !== printed)
        print(`  ${seconds(performance.now() - began).padStart(8)}  ${line}`);
      printed = line;
      return isTerminal(status?.phase) ? status : undefined;
    };
    const done = printStatus(first);
    if (done) return done;
    for await (const { type, object } of watch) {
      if (type === "DELETED") throw new Error(`TaskRun ${namespace}/${name} was deleted`);
      const ended = type === "BOOKMARK" ? undefined : printStatus(object);
      if (ended) return ended;
    }
    throw new Error(`TaskRun ${namespace}/${name} has not finished after ${limitMs / 1000} s: ${printed}`);
  } finally {
    await client.close();
  }
}

/** The output's text, through a port-forward to the embedded object store. */
export async function readOutput(kubeconfig: string, ref: OutputRef | undefined): Promise<string> {
  if (!ref) throw new Error("the run has no output");
  const client = clientOf(kubeconfig);
  try {
    const secret = await client.get(Secrets, releaseNamespace, `${releaseName}-objectstore`);
    const decode = (key: string) => Buffer.from(secret?.data?.[key] ?? "", "base64").toString();
    return await withForward("objectstore", 7070, async (endpoint) => {
      const bucket = new Bucket({
        s3: { endpoint, bucket: "fairlead", region: "us-east-1", forcePathStyle: true },
        credentials: { accessKeyId: decode("accessKeyId"), secretAccessKey: decode("secretAccessKey") },
      });
      const object = await bucket.get(ref.key, { maxBytes: outputBytes });
      if (!object) throw new Error(`the bucket has no object ${ref.key}`);
      return Buffer.from(object.body).toString("utf8");
    });
  } finally {
    await client.close();
  }
}

/** Forwards a port of this machine to a Service of the release while `work` runs. */
export async function withForward<T>(
  component: string,
  port: number,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const forward = spawn("kubectl", [
    "port-forward",
    "--namespace",
    releaseNamespace,
    `service/${releaseName}-${component}`,
    `:${port}`,
  ]);
  try {
    return await work(`http://127.0.0.1:${await forwardedPort(forward)}`);
  } finally {
    forward.kill();
  }
}

async function forwardedPort(forward: ReturnType<typeof spawn>): Promise<string> {
  if (!forward.stdout || !forward.stderr) throw new Error("no output of kubectl port-forward");
  let errors = "";
  forward.stderr.on("data", (data: Buffer) => {
    errors += data.toString();
  });
  const exited = once(forward, "exit").then(() => {
    throw new Error(`kubectl port-forward ended: ${errors.trim()}`);
  });
  const line = once(createInterface({ input: forward.stdout }), "line").then(([text]) => String(text));
  const text = await Promise.race([line, exited]);
  // Nothing else awaits it: the process exits when it is killed.
  exited.catch(() => undefined);
  const port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
  if (!port) throw new Error(`kubectl port-forward printed no port: ${text}`);
  return port;
}

function clientOf(kubeconfig: string): KubeClient {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return new KubeClient(config);
}
