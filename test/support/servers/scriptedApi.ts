/** A server that answers the SDK with fixed answers of the API, and records the requests. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import superjson from "superjson";

interface RecordedCall {
  /** `POST /api/v1/tasks/hello/trigger`. */
  call: string;
  authorization: string | undefined;
  body: string;
}

/** The run's output; JSON has neither of its types. */
export const richValue = { at: new Date(0), total: 12n };
const { json: output, meta: outputMeta } = superjson.serialize(richValue);
const run = { id: "run_1", taskIdentifier: "hello", createdAt: "2026-01-01T00:00:00.000Z", tags: [] };
const states = [
  { ...run, status: "EXECUTING", isCompleted: false },
  { ...run, status: "COMPLETED", isCompleted: true, output, outputMeta },
];

export class ScriptedApi {
  readonly calls: RecordedCall[] = [];
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  static async start(): Promise<ScriptedApi> {
    const api = new ScriptedApi();
    await new Promise<void>((resolve) => api.server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const part of request.setEncoding("utf8")) body += part;
    const call = `${request.method} ${request.url}`;
    this.calls.push({ call, authorization: request.headers.authorization, body });
    const json = (status: number, value: object): void => {
      response.writeHead(status, { "content-type": "application/json", "x-trigger-jwt": "public-token" });
      response.end(JSON.stringify(value));
    };
    if (call === "POST /api/v1/tasks/refused/trigger") json(422, { error: "no such task" });
    else if (call.endsWith("/trigger")) json(200, { id: "run_1" });
    else if (call === "POST /api/v3/batches") json(202, { id: "batch_1", isCached: false });
    else if (call === "POST /api/v3/batches/batch_1/items") json(200, { sealed: true });
    else if (call === "GET /api/v3/runs/run_1") json(200, states[1] as object);
    else if (call === "GET /realtime/fairlead/v1/runs/run_1") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const state of states) response.write(`data: ${JSON.stringify(state)}\n\n`);
      response.end();
    } else json(404, { error: `nothing at ${call}` });
  }
}
