/**
 * One namespace of the cluster in KUBECONFIG. Changes go through kubectl, as a user makes them. Polling does
 * not: a process for each poll would keep the machine busy.
 */
import { randomBytes } from "node:crypto";
import { type ExecResult, run, tryRun } from "../../../hack/lib/exec.ts";
import { waitFor } from "../../../hack/lib/wait.ts";
import { KubeClient } from "../../../operator/src/kube/client/client.ts";
import type { KubeObject, Resource } from "../../../operator/src/kube/resources.ts";
import { TaskQueues, TaskRuns } from "../../../operator/src/model/kinds.ts";
import {
  nameOfQueue,
  type TaskRun,
  type TaskRunSpec,
  type TaskRunStatus,
} from "../../../operator/src/model/resources.ts";
import { isTerminal } from "../../../operator/src/model/run/phase.ts";
import { taskRun } from "./manifests.ts";

const callTimeoutMs = 60_000;

/** A namespace that enforces Pod Security `restricted`, which every run must satisfy. */
export class TestNamespace {
  readonly name: string;
  readonly #client = KubeClient.fromEnvironment();

  private constructor(name: string) {
    this.name = name;
  }

  static async create(purpose: string): Promise<TestNamespace> {
    const name = `e2e-${purpose}-${randomBytes(3).toString("hex")}`;
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await run("kubectl", ["create", "-f", "-"], {
      input: JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } }),
      timeoutMs: callTimeoutMs,
    });
    return new TestNamespace(name);
  }

  /** Does not wait until it is deleted: its name is never used again. */
  async remove(): Promise<void> {
    await this.tryKubectl("delete", "namespace", this.name, "--wait=false");
    await this.#client.close();
  }

  /** Standard output; throws when kubectl fails. */
  async kubectl(...args: string[]): Promise<string> {
    const { stdout } = await run("kubectl", ["--namespace", this.name, ...args], { timeoutMs: 120_000 });
    return stdout;
  }

  tryKubectl(...args: string[]): Promise<ExecResult> {
    return tryRun("kubectl", ["--namespace", this.name, ...args], { timeoutMs: 120_000 });
  }

  async apply(...manifests: object[]): Promise<void> {
    await run("kubectl", ["--namespace", this.name, "apply", "-f", "-"], {
      input: manifests.map((manifest) => JSON.stringify(manifest)).join("\n---\n"),
      timeoutMs: callTimeoutMs,
    });
  }

  /** Applies what must be refused, and returns kubectl's message; throws when it is accepted. */
  async applyRefused(manifest: object, ...flags: string[]): Promise<string> {
    const result = await tryRun("kubectl", ["--namespace", this.name, "apply", "-f", "-", ...flags], {
      input: JSON.stringify(manifest),
      timeoutMs: callTimeoutMs,
    });
    if (result.code === 0) throw new Error(`kubectl apply accepted it: ${result.stdout}`);
    return result.stderr;
  }

  get<T extends KubeObject>(resource: Resource<T>, name: string): Promise<T | undefined> {
    return this.#client.get(resource, this.name, name);
  }

  async list<T extends KubeObject>(resource: Resource<T>, labelSelector?: string): Promise<T[]> {
    return (await this.#client.list(resource, this.name, { labelSelector })).items;
  }

  async startRun(name: string, spec: Partial<TaskRunSpec>): Promise<void> {
    await this.apply(taskRun(name, spec));
  }

  async loadRun(name: string): Promise<TaskRun> {
    const found = await this.get(TaskRuns, name);
    if (!found) throw new Error(`TaskRun ${name} does not exist`);
    return found;
  }

  /** The run's status once it fits; throws at once when the run can no longer change. */
  async until(
    name: string,
    what: string,
    fits: (status: TaskRunStatus) => boolean,
    timeoutMs = 60_000,
  ): Promise<TaskRunStatus> {
    let last: TaskRunStatus | undefined;
    const lastSeen = (): string => JSON.stringify(last, undefined, 1);
    return waitFor(
      `TaskRun ${name} ${what}`,
      async () => {
        last = (await this.loadRun(name)).status;
        return last && fits(last) ? last : undefined;
      },
      {
        timeoutMs,
        intervalMs: 100,
        describe: lastSeen,
        // Its logs are stored last.
        failed: () => (last && isCaptured(last) ? lastSeen() : undefined),
      },
    );
  }

  untilPhase(name: string, phase: TaskRunStatus["phase"], timeoutMs?: number): Promise<TaskRunStatus> {
    return this.until(name, `is ${phase}`, (status) => status.phase === phase, timeoutMs);
  }

  untilFinished(name: string, timeoutMs?: number): Promise<TaskRunStatus> {
    return this.until(name, "has finished", (status) => isTerminal(status.phase), timeoutMs);
  }

  untilCaptured(name: string, timeoutMs?: number): Promise<TaskRunStatus> {
    return this.until(name, "has its logs captured", isCaptured, timeoutMs);
  }

  /** Until the controller has seen the pause: a run that is triggered before may be admitted. */
  async untilQueuePaused(queue: string): Promise<void> {
    await waitFor(
      `queue ${queue} is paused`,
      async () => (await this.list(TaskQueues)).some((q) => nameOfQueue(q) === queue && q.status?.paused),
      { timeoutMs: 30_000, intervalMs: 200 },
    );
  }
}

const isCaptured = ({ conditions }: TaskRunStatus): boolean =>
  conditions?.some(({ type, status }) => type === "Captured" && status === "True") ?? false;
