/** An HTTP server that gives the answers of a script, and keeps the requests that it got. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

interface ScriptedRequest {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

export interface ScriptedAnswer {
  /** Default 200. */
  status?: number;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** The connection is lost in the middle of the answer. */
  breaksOff?: boolean;
  /** A server-sent stream that has this as its only event and stays open. */
  event?: unknown;
}

export class ScriptedServer {
  readonly requests: ScriptedRequest[] = [];
  /** Given in this order; the last one again and again. */
  answers: ScriptedAnswer[] = [{}];
  openStreams = 0;
  readonly #server: Server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { method = "", url = "", headers } = request;
    this.requests.push({ method, url, headers, body: Buffer.concat(parts).toString() });
    const answer = (this.answers.length > 1 ? this.answers.shift() : this.answers[0]) ?? {};
    if (answer.breaksOff) {
      response.writeHead(200, { "content-length": "100" }).write("{", () => response.destroy());
      return;
    }
    if (answer.event !== undefined) {
      this.openStreams++;
      response.on("close", () => this.openStreams--).writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(answer.event)}\n\n`);
      return;
    }
    response
      .writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers })
      .end(JSON.stringify(answer.body ?? {}));
  });

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
}
