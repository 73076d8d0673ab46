/**
 * A real etcd and kube-apiserver on loopback ports, with the CRDs of this work tree. Nothing acts on the
 * objects: no controller and no garbage collector. `stop` kills both.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { clusterBinaries } from "../../../hack/cluster/builtin/binary.ts";
import { waitFor } from "../../../hack/lib/wait.ts";
import { type ClientOptions, KubeClient } from "../../../operator/src/kube/client/client.ts";
import { type KubeObject, Namespaces } from "../../../operator/src/kube/resources.ts";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import { customResourceDefinition, kinds } from "../../../operator/src/model/schema/crd.ts";
import { Definitions } from "../scratchNamespace.ts";
import { freePort } from "./freePort.ts";

export class ApiServer {
  readonly #folder: string;
  readonly #port: number;
  readonly #token: string;
  readonly #processes: ChildProcess[] = [];

  private constructor(folder: string, port: number, token: string) {
    this.#folder = folder;
    this.#port = port;
    this.#token = token;
  }

  static async start(): Promise<ApiServer> {
    const { program } = await clusterBinaries();
    const folder = await mkdtemp(join(tmpdir(), "fairlead-api-"));
    const [port, etcdPort, peerPort] = [await freePort(), await freePort(), await freePort()];
    const server = new ApiServer(folder, port, randomBytes(16).toString("hex"));
    const etcdUrl = `http://127.0.0.1:${etcdPort}`;
    server.#spawn(program("etcd"), [
      `--data-dir=${join(folder, "etcd")}`,
      "--log-level=error",
      "--unsafe-no-fsync",
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    ]);
    const tokens = join(folder, "tokens.csv");
    await writeFile(tokens, `${server.#token},test,test,system:masters\n`);
    const key = join(folder, "service-account.key");
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    await writeFile(key, privateKey.export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
    server.#spawn(program("kube-apiserver"), [
      `--etcd-servers=${etcdUrl}`,
      `--cert-dir=${folder}`,
      `--token-auth-file=${tokens}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      "--advertise-address=127.0.0.1",
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
      "--service-account-issuer=https://test",
      "--service-cluster-ip-range=10.199.0.0/24",
      "--authorization-mode=RBAC",
      "--endpoint-reconciler-type=none",
      "--allow-privileged=true",
    ]);
    try {
      await server.#ready();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** `as`: the user that it acts as, by impersonation; absent: one who may do everything. */
  client(options?: ClientOptions, as?: string): KubeClient {
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [{ name: "test", server: `https://127.0.0.1:${this.#port}`, skipTLSVerify: true }],
      users: [{ name: "test", token: this.#token, impersonateUser: as }],
      contexts: [{ name: "test", cluster: "test", user: "test" }],
      currentContext: "test",
    });
    return new KubeClient(config, options);
  }

  async stop(): Promise<void> {
    for (const one of this.#processes.reverse()) {
      if (one.exitCode !== null || one.signalCode !== null) continue;
      const ended = once(one, "exit");
      one.kill("SIGKILL");
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  #spawn(file: string, args: string[]): void {
    this.#processes.push(spawn(file, args, { cwd: this.#folder, stdio: "ignore" }));
  }

  async #ready(): Promise<void> {
    const client = this.client();
    const ended = (): string | undefined =>
      this.#processes.some(({ exitCode }) => exitCode !== null) ? "a process has ended" : undefined;
    const options = { timeoutMs: 60_000, failed: ended };
    await waitFor("the API server answers", () => client.list(Namespaces, undefined), options);
    await waitFor(
      "the CRDs are there",
      async () => {
        for (const kind of kinds) {
          const crd = customResourceDefinition(kind) as KubeObject;
          await client.create(Definitions, undefined, crd).catch((error: { reason?: string }) => {
            if (error.reason !== "AlreadyExists") throw error;
          });
        }
        return Promise.all([TaskBatches, TaskRuns].map((kind) => client.list<KubeObject>(kind, undefined)));
      },
      options,
    );
    await client.close();
  }
}
