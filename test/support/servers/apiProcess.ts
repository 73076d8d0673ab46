/**
 * An API replica with its servers in a process of its own, so that its heap has a limit. Two namespaces, each
 * with a key: `default` and `other`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Namespaces } from "../../../operator/src/kube/resources.ts";
import { inParallel } from "../../../operator/src/lib/parallel.ts";
import { apiVersion, type TaskRun } from "../../../operator/src/model/resources.ts";
import { historyIndexKey } from "../../../operator/src/storage/layout.ts";
import type { NamespaceStore } from "../../../operator/src/storage/objectStore.ts";
import { summaryOf } from "../../../operator/src/storage/runHistory.ts";
import { ApiReplica, namespace } from "./apiReplica.ts";

export const other = { key: "tr_prod_of_the_other_namespace0123456789", namespace: "other" };

export class ApiProcess {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  /** `retired`: how many runs of `default` history has. */
  static async start(heapMiB: number, retired = 0): Promise<ApiProcess> {
    const file = fileURLToPath(import.meta.url);
    const options = [`--max-old-space-size=${heapMiB}`, file, "serve", String(retired)];
    const child = spawn(process.execPath, options, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout });
    const [url] = (await Promise.race([
      once(lines, "line"),
      once(child, "exit").then(([code]) => Promise.reject(new Error(`it exited with ${code}`))),
    ])) as [string];
    return new ApiProcess(child, url);
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(): Promise<void> {
    if (!this.isAlive) return;
    const exited = once(this.#child, "exit");
    this.#child.stdin?.end();
    await exited;
  }
}

async function serve(): Promise<void> {
  const api = await ApiReplica.start();
  await api.client.create(Namespaces, undefined, { metadata: { name: other.namespace } });
  await api.setKey(`${other.namespace}.test`, { key: other.key });
  await inParallel(Array(Number(process.argv[3])).keys(), 16, (n) => retire(api.store.of(namespace), n));
  console.log(api.url);
  // Its parent has ended, or wants it to.
  for await (const _ of process.stdin);
  await api.stop();
  process.exit(0);
}

/** As far as lists know. */
async function retire(store: Pick<NamespaceStore, "put">, n: number): Promise<void> {
  const metadata = {
    ...{ name: `retired-${n}`, namespace, uid: `uid-${n}` },
    creationTimestamp: new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString(),
  };
  const run: TaskRun = { apiVersion, kind: "TaskRun", metadata, spec: { task: "echo" } };
  const type = "application/json";
  await store.put(historyIndexKey(metadata), JSON.stringify(summaryOf(run)), { type });
}

if (process.argv[2] === "serve") await serve();
