/** An HTTP server for the client's tests: it answers as it is told, and remembers what it was asked. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, vi } from "vitest";
import { configure } from "../index.ts";

interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

export interface Told {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
  /** The connection is lost in the middle of it. */
  breaksOff?: boolean;
  /** A stream that tells this and stays open. */
  streams?: unknown;
}

export class ToldServer {
  seen: Seen[] = [];
  /** Answers in their order; the last one again and again. */
  told: Told[] = [{ body: { id: "run_a", isCached: false } }];
  /** Streams that are open. */
  streams = 0;
  readonly #server: Server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { method = "", url = "", headers } = request;
    this.seen.push({ method, url, headers, body: Buffer.concat(parts).toString() });
    const answer = (this.told.length > 1 ? this.told.shift() : this.told[0]) ?? {};
    const { status = 200, headers: more = {}, body } = answer;
    if (answer.breaksOff) {
      response.writeHead(200, { "content-length": "100" }).write("{", () => response.destroy());
      return;
    }
    if (answer.streams !== undefined) {
      this.streams++;
      response.on("close", () => this.streams--).writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(answer.streams)}\n\n`);
      return;
    }
    response
      .writeHead(status, { "content-type": "application/json", ...more })
      .end(JSON.stringify(body ?? {}));
  });

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    configure({ baseURL: `${this.origin()}/`, secretKey: "tr_dev_x" });
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The body of a request. */
  json(index = 0): { payload?: unknown; options: Record<string, unknown> } {
    return JSON.parse(this.seen[index]?.body ?? "{}");
  }
}

/** A new one for each test; the client is configured for it. */
export function useToldServer(use: (api: ToldServer) => void): void {
  let api: ToldServer;
  beforeEach(async () => {
    api = new ToldServer();
    await api.start();
    use(api);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    api.stop();
  });
}
