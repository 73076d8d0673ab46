/**
 * The release's API as a client reaches it: through a port-forward, with its own secret key for one
 * namespace.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { addApiKey, newKey, removeApiKey } from "../../../hack/start/apiKey.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";

const keyName = "test";

export class ApiAccess {
  readonly url: string;
  readonly key: string;
  readonly #namespace: string;
  readonly #forward: ChildProcess;

  private constructor(url: string, key: string, namespace: string, forward: ChildProcess) {
    this.url = url;
    this.key = key;
    this.#namespace = namespace;
    this.#forward = forward;
  }

  static async open(namespace: string): Promise<ApiAccess> {
    const key = newKey();
    await addApiKey(namespace, keyName, key);
    const service = `service/${releaseName}-api`;
    const forward = spawn("kubectl", ["port-forward", "--namespace", releaseNamespace, service, ":80"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface({ input: forward.stdout as NodeJS.ReadableStream })) {
      const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port) return new ApiAccess(`http://127.0.0.1:${port}`, key, namespace, forward);
    }
    throw new Error("kubectl port-forward ended");
  }

  /** Deletes the key. */
  async revoke(): Promise<void> {
    await removeApiKey(this.#namespace, keyName);
  }

  async close(): Promise<void> {
    await this.revoke();
    if (this.#forward.exitCode !== null) return;
    const ended = once(this.#forward, "exit");
    this.#forward.kill();
    await ended;
  }

  fetch(path: string, init: RequestInit = {}, token = this.key): Promise<Response> {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", ...init.headers };
    return fetch(this.url + path, { ...init, headers });
  }
}
