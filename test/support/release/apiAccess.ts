/**
 * The release's API as a client reaches it: through a port-forward, with its own secret key for one
 * namespace.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { apiKeyLabel } from "@fairlead/protocol/labels";
import { run } from "../../../hack/lib/exec.ts";
import { releaseName, releaseNamespace } from "../../../hack/start/release.ts";

export class ApiAccess {
  readonly url: string;
  readonly key: string;
  readonly #secret: string;
  readonly #forward: ChildProcess;

  private constructor(url: string, key: string, secret: string, forward: ChildProcess) {
    this.url = url;
    this.key = key;
    this.#secret = secret;
    this.#forward = forward;
  }

  static async open(namespace: string): Promise<ApiAccess> {
    const key = `tr_prod_${randomBytes(16).toString("hex")}`;
    const secret = `key-${namespace}`;
    await run("kubectl", ["apply", "--namespace", releaseNamespace, "-f", "-"], {
      input: JSON.stringify({
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: secret, labels: { [apiKeyLabel]: "true" } },
        stringData: { key, namespace },
      }),
    });
    const service = `service/${releaseName}-api`;
    const forward = spawn("kubectl", ["port-forward", "--namespace", releaseNamespace, service, ":80"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface({ input: forward.stdout as NodeJS.ReadableStream })) {
      const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port) return new ApiAccess(`http://127.0.0.1:${port}`, key, secret, forward);
    }
    throw new Error("kubectl port-forward ended");
  }

  /** Deletes the key. */
  async revoke(): Promise<void> {
    const flags = ["--namespace", releaseNamespace, "--ignore-not-found"];
    await run("kubectl", ["delete", "secret", this.#secret, ...flags]);
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
