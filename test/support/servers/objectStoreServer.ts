/** A real versitygw on a loopback port, with its own folder; `stop` kills it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { versitygwBinary } from "../../../hack/cluster/builtin/binary.ts";
import { waitFor } from "../../../hack/lib/wait.ts";
import type { WriteHook } from "../../../operator/src/lib/writeHook.ts";
import { Bucket } from "../../../operator/src/storage/bucket.ts";
import { ObjectStore } from "../../../operator/src/storage/objectStore.ts";
import { freePort } from "./freePort.ts";

const credentials = { accessKeyId: "test", secretAccessKey: "test-secret-key" };

interface BucketOptions {
  onWrite?: WriteHook;
  bucket?: string;
  timeoutMs?: number;
}

export class ObjectStoreServer {
  readonly #folder: string;
  readonly #port: number;
  readonly #process: ChildProcess;

  private constructor(folder: string, port: number, process: ChildProcess) {
    this.#folder = folder;
    this.#port = port;
    this.#process = process;
  }

  static async start(): Promise<ObjectStoreServer> {
    const file = await versitygwBinary();
    // Not a folder in memory: it keeps metadata in extended attributes, which tmpfs may lack.
    const folder = await mkdtemp(join(tmpdir(), "fairlead-s3-"));
    const port = await freePort();
    const args = ["--port", `127.0.0.1:${port}`, "--health", "/health", "--quiet", "posix", folder];
    const env = {
      ...process.env,
      ROOT_ACCESS_KEY: credentials.accessKeyId,
      ROOT_SECRET_KEY: credentials.secretAccessKey,
    };
    const started = spawn(file, args, { env, stdio: ["ignore", "ignore", "inherit"] });
    const server = new ObjectStoreServer(folder, port, started);
    const answers = async () => (await fetch(`http://127.0.0.1:${port}/health`)).ok;
    await waitFor("versitygw answers", answers, {
      timeoutMs: 10_000,
      intervalMs: 20,
      failed: () => (started.exitCode === null ? undefined : `it ended with ${started.exitCode}`),
    });
    await server.store().ensureBucket();
    return server;
  }

  /** As an installation that shares its bucket has it. */
  store({ prefix = "test.installation", ...options }: BucketOptions & { prefix?: string } = {}): ObjectStore {
    return new ObjectStore(this.bucket(options), prefix);
  }

  bucket({ bucket = "test", ...options }: BucketOptions = {}): Bucket {
    const endpoint = `http://127.0.0.1:${this.#port}`;
    const s3 = { endpoint, bucket, region: "us-east-1", forcePathStyle: true };
    return new Bucket({ s3, credentials, ...options });
  }

  /** Removes a bucket with all that is in it, as when a store without a volume loses its node. */
  async loseBucket(name: string): Promise<void> {
    await rm(join(this.#folder, name), { recursive: true });
  }

  /** From now on no request is answered, until `resume`; connections are accepted. */
  pause(): void {
    this.#process.kill("SIGSTOP");
  }

  resume(): void {
    this.#process.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, "exit");
      this.#process.kill("SIGKILL");
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
