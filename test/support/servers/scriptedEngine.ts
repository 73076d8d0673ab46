/**
 * The runner's API and bucket, for tests of the runner: answers as scripted, and records every request. The
 * end-to-end suite runs the same runner against the real ones.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Report } from "@fairlead/protocol/report";
import type { StartAnswer } from "@fairlead/protocol/runnerApi";
import { report } from "../../../operator/src/model/run/report.ts";

type Endpoint =
  | "runMetadata"
  | "tags"
  | "attempt"
  | "start"
  | "token"
  | "output"
  | "report"
  | "put"
  | "payload";

/** What an attempt is given at its start. */
export type Given = Partial<Pick<StartAnswer, "payload" | "run">>;

/** An answer; undefined cuts the connection, "never" lets the caller wait until the server is closed. */
export type Answer = SentAnswer | "never" | undefined;

interface SentAnswer {
  status: number;
  body?: unknown;
  delayMs?: number;
}

export interface Call {
  endpoint: Endpoint;
  method: string;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

/** The attempt's. */
const token = "the-token";

export class ScriptedEngine {
  readonly calls: Call[] = [];
  /** Replaces the answers of an endpoint; called with the number of earlier calls. */
  readonly answers: Partial<Record<Endpoint, (nth: number) => Answer>> = {};
  /** The answer to GET payload. */
  payload: string | Buffer = "";
  /** By the pods' tokens. */
  readonly #given = new Map<string, Given>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => void this.#handle(request, response));
  }

  static async start(): Promise<ScriptedEngine> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ScriptedEngine(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A pod with this token is given this. */
  give(podToken: string, given: Given): void {
    this.#given.set(podToken, given);
  }

  callsOf(endpoint: Endpoint): Call[] {
    return this.calls.filter((call) => call.endpoint === endpoint);
  }

  /** Resolves when the endpoint was called. */
  async called(endpoint: Endpoint): Promise<void> {
    while (this.callsOf(endpoint).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** The accepted report, checked against the API's own schema. */
  get report(): Report {
    const [call, ...more] = this.callsOf("report");
    if (!call || more.length > 0) throw new Error(`${more.length + (call ? 1 : 0)} reports, not one`);
    return report.parse(JSON.parse(call.body.toString()));
  }

  /** The object in the bucket; undefined when nothing was uploaded. */
  get stored(): Buffer | undefined {
    return this.callsOf("put").at(-1)?.body;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const endpoint = endpointOf(request);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (!endpoint)
      return send(response, { status: 404, body: { error: `no ${request.method} ${request.url}` } });
    const nth = this.callsOf(endpoint).length;
    const { method = "", headers } = request;
    this.calls.push({ endpoint, method, headers, body: Buffer.concat(parts) });
    const bearer = headers.authorization?.replace("Bearer ", "") ?? "";
    const answer = this.#isAllowed(endpoint, bearer)
      ? this.answers[endpoint]
        ? this.answers[endpoint](nth)
        : this.#usual(endpoint, bearer)
      : { status: 401, body: { error: "the token is not valid" } };
    if (!answer) return void request.socket.destroy();
    if (answer === "never") return;
    if (answer.delayMs) await new Promise((resolve) => setTimeout(resolve, answer.delayMs));
    send(response, answer);
  }

  #isAllowed(endpoint: Endpoint, bearer: string): boolean {
    if (endpoint === "put" || endpoint === "payload") return bearer === "";
    return endpoint === "start" || endpoint === "token" ? this.#given.has(bearer) : bearer === token;
  }

  #usual(endpoint: Endpoint, bearer: string): SentAnswer {
    switch (endpoint) {
      case "start":
        return { status: 200, body: this.startAnswer(this.#given.get(bearer)) };
      case "token":
        return { status: 200, body: { token, expiresInSeconds: 3600 } };
      case "attempt":
        return { status: 200, body: { phase: "Executing" } };
      case "runMetadata":
        return { status: 200, body: { metadata: {} } };
      case "tags":
        return { status: 200, body: { message: "added" } };
      case "output":
        return {
          status: 200,
          body: { url: `${this.url}/bucket/output?signature=x`, key: "ns/default/output" },
        };
      case "payload":
        return { status: 200, body: this.payload };
      case "put":
        return { status: 200 };
      case "report":
        return { status: 204 };
    }
  }

  startAnswer(given: Given = {}): StartAnswer {
    return { token, expiresInSeconds: 3600, run: { tags: ["a"] }, ...given };
  }
}

function endpointOf(request: IncomingMessage): Endpoint | undefined {
  const routes: Record<string, Endpoint> = {
    "GET /engine/v1/attempt": "attempt",
    "POST /engine/v1/attempt/start": "start",
    "POST /engine/v1/attempt/token": "token",
    "POST /engine/v1/attempt/output": "output",
    "POST /engine/v1/attempt/report": "report",
    "PUT /api/v1/runs/run_test/metadata": "runMetadata",
    "POST /api/v1/runs/run_test/tags": "tags",
    "PUT /bucket/output": "put",
    "GET /bucket/payload": "payload",
  };
  return routes[`${request.method} ${request.url?.split("?", 1)[0]}`];
}

function send(response: ServerResponse, { status, body }: SentAnswer): void {
  response.statusCode = status;
  if (typeof body === "string" || Buffer.isBuffer(body)) response.end(body);
  else if (body === undefined) response.end();
  else response.setHeader("content-type", "application/json").end(JSON.stringify(body));
}
