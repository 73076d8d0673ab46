/** Requests of these scripts to the API server and other components, with the administrator's certificate. */
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { join } from "node:path";
import type { ClusterPlan } from "./plan.ts";
import type { ClusterPaths } from "./state.ts";

interface ApiResponse {
  status: number;
  text: string;
}

export class Api {
  readonly #server: string;
  readonly #agent: Agent;

  constructor(plan: ClusterPlan, paths: ClusterPaths) {
    const read = (file: string) => readFileSync(join(paths.pki, file));
    this.#server = plan.server;
    this.#agent = new Agent({ ca: read("ca.crt"), cert: read("admin.crt"), key: read("admin.key") });
  }

  async request(
    method: string,
    path: string,
    body?: string,
    type = "application/json",
  ): Promise<ApiResponse> {
    const headers: Record<string, string> = body === undefined ? {} : { "content-type": type };
    return send(`${this.#server}${path}`, { method, headers, agent: this.#agent, timeoutMs: 10_000 }, body);
  }

  async get<T>(path: string): Promise<T> {
    const { status, text } = await this.request("GET", path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${text.slice(0, 300)}`);
    return JSON.parse(text) as T;
  }

  /** Server-side apply. */
  async apply(path: string, object: object): Promise<void> {
    const query = "?fieldManager=fairlead-cluster&force=true";
    const body = JSON.stringify(object);
    const { status, text } = await this.request("PATCH", path + query, body, "application/apply-patch+yaml");
    if (status >= 300) throw new Error(`apply ${path}: ${status} ${text.slice(0, 300)}`);
  }

  /** Whether a health endpoint answers "ok"; the same agent trusts the other components' certificates. */
  async isOk(url: string): Promise<boolean> {
    try {
      const { status } = await send(url, { method: "GET", headers: {}, agent: this.#agent, timeoutMs: 3000 });
      return status === 200;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

interface SendOptions {
  method: string;
  headers: Record<string, string>;
  agent: Agent;
  timeoutMs: number;
}

function send(url: string, options: SendOptions, body?: string): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    const { agent, timeoutMs, ...rest } = options;
    const signal = AbortSignal.timeout(timeoutMs);
    const request = url.startsWith("https:")
      ? httpsRequest(url, { ...rest, agent, signal })
      : httpRequest(url, { ...rest, signal });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    request.end(body);
  });
}
