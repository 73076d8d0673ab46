/** A real redis-server on a loopback port, with its own folder; `stop` kills it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { which } from "../../../hack/lib/exec.ts";
import { waitFor } from "../../../hack/lib/wait.ts";
import { freePort } from "./freePort.ts";

/** This binary of Debian's redis-tools is also the server: its argv[0] decides what it does. */
const sameBinary = "/usr/bin/redis-check-rdb";

export class RedisServer {
  readonly folder: string;
  readonly port: number;
  readonly #args: string[];
  #process: ChildProcess | undefined;

  private constructor(folder: string, port: number, args: string[]) {
    this.folder = folder;
    this.port = port;
    this.#args = args;
  }

  static async start(...args: string[]): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), "fairlead-redis-"));
    const server = new RedisServer(folder, await freePort(), args);
    await server.run();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts or restarts it, with the contents of its folder. */
  async run(): Promise<void> {
    const file = which("redis-server") ?? (existsSync(sameBinary) ? sameBinary : undefined);
    if (!file) throw new Error("redis-server is missing: apt-get install redis-server (or redis-tools)");
    const fixed = ["--bind", "127.0.0.1", "--port", String(this.port), "--dir", this.folder];
    const args = [...fixed, "--save", "", "--loglevel", "warning", ...this.#args];
    const started = spawn(file, args, { argv0: "redis-server", stdio: ["ignore", "ignore", "inherit"] });
    this.#process = started;
    const client = new Redis(this.url, { lazyConnect: true, retryStrategy: null });
    client.on("error", () => undefined);
    await waitFor("redis-server answers", async () => (await connected(client)).ping(), {
      timeoutMs: 10_000,
      intervalMs: 20,
      failed: () => (started.exitCode === null ? undefined : `it ended with ${started.exitCode}`),
    });
    client.disconnect();
  }

  /** Kills it at once: only what is in its files survives. */
  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, "exit");
    running.kill("SIGKILL");
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function connected(client: Redis): Promise<Redis> {
  if (client.status !== "ready") await client.connect();
  return client;
}
