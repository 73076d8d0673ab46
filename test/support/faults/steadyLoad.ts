/**
 * A steady load on the release: runs are triggered through the API at an even pace, in one queue with a limit
 * for each of its keys, while somebody causes faults. In the end it tells what was lost, doubled, or over the
 * limit. A trigger is repeated, with the same header, until it is answered, as the SDKs do.
 *
 * - lost: it was accepted, and has no TaskRun, or did not complete.
 * - doubled: two of its pods ended with code 0, or two of its executions overlap.
 * - over the limit: more user code of a key at once than its limit. Of an execution without a result its
 *   container's times count, as far as they were seen.
 */
import { randomBytes } from "node:crypto";
import type { V1Pod } from "@kubernetes/client-node";
import { Pool } from "undici";
import { waitFor } from "../../../hack/lib/wait.ts";
import { apiAddress, ensureApiKey } from "../../../hack/start/apiKey.ts";
import { KubeClient } from "../../../operator/src/kube/client/client.ts";
import { Pods } from "../../../operator/src/kube/resources.ts";
import { pause } from "../../../operator/src/lib/time.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import type { TaskRun } from "../../../operator/src/model/resources.ts";
import { isTerminal } from "../../../operator/src/model/run/phase.ts";
import { taskQueue, testTask } from "../release/manifests.ts";
import { groupByKey, maxOverlap } from "../release/spans.ts";
import { TestNamespace } from "../release/testNamespace.ts";

interface LoadOptions {
  /** Milliseconds from one trigger to the next. */
  everyMs: number;
  keys: number;
  /** Runs of one key at once. */
  limit: number;
  /** In [0, 1). */
  random(): number;
}

interface Execution {
  pod: string;
  run: string;
  start?: number;
  /** The end of its container, or when it was last seen. */
  end: number;
  exitCode?: number;
}

export interface Verdict {
  accepted: number;
  lost: string[];
  doubled: string[];
  overLimit: string[];
  infrastructureRetries: number;
  /** The longest time that a trigger took, its repetitions included. */
  longestTriggerMs: number;
}

const queue = "steady";
const triggerTimeoutMs = 3_000;

export class SteadyLoad {
  readonly ns: TestNamespace;
  readonly #options: LoadOptions;
  readonly #client = KubeClient.fromEnvironment({ connections: 4, requestTimeoutMs: 5_000 });
  readonly #api: Pool;
  readonly #key: string;
  /** Ends the triggers. */
  readonly #full = new AbortController();
  readonly #stop = new AbortController();
  readonly #accepted = new Map<string, { key: string }>();
  readonly #executions = new Map<string, Execution>();
  readonly #work: Promise<unknown>[] = [];
  #longestTriggerMs = 0;

  private constructor(ns: TestNamespace, address: string, key: string, options: LoadOptions) {
    this.ns = ns;
    this.#options = options;
    this.#key = key;
    this.#api = new Pool(address, {
      pipelining: 1,
      headersTimeout: triggerTimeoutMs,
      connect: { timeout: 2_000 },
    });
  }

  static async start(options: LoadOptions): Promise<SteadyLoad> {
    const ns = await TestNamespace.create("steady");
    // Retries are the infrastructure's alone.
    await ns.apply(
      testTask("marks"),
      testTask("echo"),
      taskQueue(queue, { concurrencyLimit: options.limit }),
    );
    const load = new SteadyLoad(ns, await apiAddress(), await ensureApiKey(ns.name), options);
    load.#work.push(load.#triggerAll(), load.#watchPods());
    return load;
  }

  /** Triggers one run beside the load, and returns its name when it is accepted. */
  async trigger(task: string, payload: unknown, options: object = {}): Promise<string> {
    const header = randomBytes(8).toString("hex");
    const begun = performance.now();
    for (;;) {
      const id = await this.#ask(task, payload, options, header).catch(() => undefined);
      if (id) {
        this.#longestTriggerMs = Math.max(this.#longestTriggerMs, performance.now() - begun);
        return id.replace(/^run_/, "");
      }
      if (performance.now() - begun > 300_000) throw new Error("no trigger was answered for five minutes");
      await pause(250);
    }
  }

  /** Ends the load, waits for what it began, and judges. */
  async finish(timeoutMs = 300_000): Promise<Verdict> {
    this.#full.abort();
    await this.#work[0];
    let runs = new Map<string, TaskRun>();
    let open: string[] = [];
    await waitFor(
      "all runs end",
      async () => {
        runs = await this.#loadRuns();
        open = [...runs.values()]
          .filter(({ status }) => !isTerminal(status?.phase))
          .map(
            ({ metadata, status }) =>
              `${metadata.name}: ${status?.phase} ${status?.reason} ${status?.message}`,
          );
        return open.length === 0;
      },
      { timeoutMs, intervalMs: 1_000, describe: () => open.slice(0, 20).join("\n") },
    ).catch(() => undefined);
    return this.#judge(runs);
  }

  async remove(): Promise<void> {
    this.#full.abort();
    this.#stop.abort();
    await Promise.allSettled(this.#work);
    await this.#api.destroy();
    await this.#client.close();
    await this.ns.remove();
  }

  #judge(runs: Map<string, TaskRun>): Verdict {
    const lost = [...this.#accepted.keys()].flatMap((name) => {
      const status = runs.get(name)?.status;
      if (status?.phase === "Completed") return [];
      return [`${name}: ${status ? `${status.phase} ${status.reason} ${status.message}` : "has no TaskRun"}`];
    });
    const executions = [...this.#executions.values()];
    const doubled = [...Map.groupBy(executions, ({ run }) => run)].flatMap(([run, own]) => {
      const ended = own.filter(({ exitCode }) => exitCode === 0).length;
      const spans = own.flatMap(({ start, end }) => (start === undefined ? [] : [{ key: run, start, end }]));
      return ended > 1 || maxOverlap(spans) > 1 ? [`${run}: ${JSON.stringify(own)}`] : [];
    });
    const spans = [...this.#accepted].flatMap(([name, { key }]) => {
      const output = runs.get(name)?.status?.output as { start: number; end: number } | undefined;
      const withoutResult = executions.filter(({ run, exitCode }) => run === name && exitCode !== 0);
      return [
        ...(output ? [{ key, start: output.start, end: output.end }] : []),
        ...withoutResult.flatMap(({ start, end }) =>
          start === undefined || start + 1_000 >= end ? [] : [{ key, start: start + 1_000, end }],
        ),
      ];
    });
    const overLimit = [...groupByKey(spans)].flatMap(([key, own]) => {
      const most = maxOverlap(own);
      return most > this.#options.limit
        ? [`${key}: ${most} at once, the limit is ${this.#options.limit}`]
        : [];
    });
    const retries = [...runs.values()].reduce(
      (sum, { status }) => sum + (status?.infrastructureRetries ?? 0),
      0,
    );
    return {
      accepted: this.#accepted.size,
      lost,
      doubled,
      overLimit,
      infrastructureRetries: retries,
      longestTriggerMs: Math.round(this.#longestTriggerMs),
    };
  }

  async #loadRuns(): Promise<Map<string, TaskRun>> {
    const runs = new Map<string, TaskRun>();
    for await (const run of this.#client.listAll(TaskRuns, this.ns.name)) runs.set(run.metadata.name, run);
    return runs;
  }

  /** A slow answer does not hold up the next trigger. */
  async #triggerAll(): Promise<void> {
    const open = new Set<Promise<unknown>>();
    for (let i = 0; !this.#full.signal.aborted; i++) {
      const key = `key-${i % this.#options.keys}`;
      const payload = { ms: 500 + Math.floor(this.#options.random() * 5_000), key };
      const one = this.trigger("marks", payload, { queue: { name: queue }, concurrencyKey: key }).then(
        (name) => this.#accepted.set(name, { key }),
      );
      open.add(one);
      one.finally(() => open.delete(one)).catch(() => undefined);
      await pause(this.#options.everyMs, this.#full.signal);
    }
    await Promise.all(open);
  }

  async #ask(task: string, payload: unknown, options: object, header: string): Promise<string | undefined> {
    const response = await this.#api.request({
      path: `/api/v1/tasks/${task}/trigger`,
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#key}`,
        "content-type": "application/json",
        "x-trigger-request-idempotency-key": header,
      },
      body: JSON.stringify({ payload, options }),
      signal: AbortSignal.timeout(triggerTimeoutMs),
    });
    const answer = (await response.body.json()) as { id?: string };
    return response.statusCode === 200 ? answer.id : undefined;
  }

  async #watchPods(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const { items, metadata } = await this.#client.list(Pods, this.ns.name);
        for (const pod of items) this.#see(pod);
        const from = { resourceVersion: metadata.resourceVersion ?? "", timeoutSeconds: 60 };
        const watch = this.#client.watch(Pods, this.ns.name, { ...from, idleTimeoutMs: 30_000, signal });
        for await (const { type, object } of watch) if (type !== "BOOKMARK") this.#see(object);
      } catch {
        // The API server is one of the parts that fail.
        await pause(500, signal);
      }
    }
  }

  #see({ metadata, status }: V1Pod): void {
    const uid = metadata?.uid ?? "";
    const run = metadata?.labels?.["fairlead.dev/run"];
    const state = status?.containerStatuses?.[0]?.state;
    const started = state?.running?.startedAt ?? state?.terminated?.startedAt;
    if (!run || !started) return;
    const known = this.#executions.get(uid);
    const ended = state?.terminated?.finishedAt;
    this.#executions.set(uid, {
      pod: metadata?.name ?? "",
      run,
      start: known?.start ?? Date.parse(String(started)),
      end: ended ? Date.parse(String(ended)) : Math.max(known?.end ?? 0, Date.parse(String(started))),
      exitCode: state?.terminated?.exitCode ?? known?.exitCode,
    });
  }
}
