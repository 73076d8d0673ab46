/**
 * An API replica with its servers in a process of its own, so that its heap has a limit. Two namespaces, each
 * with a key: `default` and `other`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Namespaces } from "../../../operator/src/kube/resources.ts";
import { ApiReplica } from "./apiReplica.ts";

export const other = { key: "tr_prod_of_the_other_namespace0123456789", namespace: "other" };

export class ApiProcess {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start(heapMiB: number): Promise<ApiProcess> {
    const options = [`--max-old-space-size=${heapMiB}`, fileURLToPath(import.meta.url), "serve"];
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
  console.log(api.url);
  // Its parent has ended, or wants it to.
  for await (const _ of process.stdin);
  await api.stop();
  process.exit(0);
}

if (process.argv[2] === "serve") await serve();
