/** One TaskRun as it is watched, and its output as it is fetched. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { KubeConfig } from "@kubernetes/client-node";
import { KubeClient } from "../../operator/src/kube/client/client.ts";
import { Secrets } from "../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import type { OutputRef, TaskRun, TaskRunStatus } from "../../operator/src/model/resources.ts";
import { isTerminal } from "../../operator/src/model/run/phase.ts";
import { ObjectStore } from "../../operator/src/storage/objectStore.ts";
import { seconds } from "../lib/progress.ts";
import { releaseName, releaseNamespace } from "./release.ts";

const limitMs = 180_000;
const outputBytes = 1024 * 1024;

/** Prints every phase with its time since the run was created; resolves when the run has ended. */
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
    let told: string | undefined;
    const tell = ({ status }: TaskRun): TaskRunStatus | undefined => {
      const line = `${(status?.phase ?? "").padEnd(10)} ${status?.message ?? ""}`;
      if (status?.phase && line !== told)
        print(`  ${seconds(performance.now() - began).padStart(8)}  ${line}`);
      told = line;
      return isTerminal(status?.phase) ? status : undefined;
    };
    const done = tell(first);
    if (done) return done;
    for await (const { type, object } of watch) {
      if (type === "DELETED") throw new Error(`TaskRun ${namespace}/${name} was deleted`);
      const ended = type === "BOOKMARK" ? undefined : tell(object);
      if (ended) return ended;
    }
    throw new Error(`TaskRun ${namespace}/${name} has not ended after ${limitMs / 1000} s: ${told}`);
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
      const store = new ObjectStore({
        s3: { endpoint, bucket: "fairlead", region: "us-east-1", forcePathStyle: true },
        credentials: { accessKeyId: decode("accessKeyId"), secretAccessKey: decode("secretAccessKey") },
      });
      const object = await store.get(ref.key, { maxBytes: outputBytes });
      if (!object) throw new Error(`the bucket has no object ${ref.key}`);
      return Buffer.from(object.body).toString("utf8");
    });
  } finally {
    await client.close();
  }
}

/** Work with a Service of the release at an address of this machine, for as long as it takes. */
export async function withForward<T>(
  component: string,
  port: number,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const forward = spawn("kubectl", [
    ...["port-forward", "--namespace", releaseNamespace, `service/${releaseName}-${component}`, `:${port}`],
  ]);
  try {
    return await work(`http://127.0.0.1:${await forwardedPort(forward)}`);
  } finally {
    forward.kill();
  }
}

async function forwardedPort(forward: ReturnType<typeof spawn>): Promise<string> {
  if (!forward.stdout || !forward.stderr) throw new Error("no output of kubectl port-forward");
  let said = "";
  forward.stderr.on("data", (data: Buffer) => {
    said += data.toString();
  });
  const ended = once(forward, "exit").then(() => {
    throw new Error(`kubectl port-forward ended: ${said.trim()}`);
  });
  const line = once(createInterface({ input: forward.stdout }), "line").then(([text]) => String(text));
  const text = await Promise.race([line, ended]);
  // The loser is awaited by nobody: it will end when we kill the process.
  ended.catch(() => undefined);
  const port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
  if (!port) throw new Error(`kubectl port-forward said: ${text}`);
  return port;
}

function clientOf(kubeconfig: string): KubeClient {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return new KubeClient(config);
}
