/**
 * One namespace of the cluster in KUBECONFIG. What is changed goes through kubectl, as a user has it; what is read again
 * and again until something comes true does not: a process for each look would have the machine busy with looking.
 */
import { randomBytes } from "node:crypto";
import { type ExecResult, run, tryRun } from "../../../hack/lib/exec.ts";
import { waitFor } from "../../../hack/lib/wait.ts";
import { KubeClient } from "../../../operator/src/kube/client/client.ts";
import type { KubeObject, Resource } from "../../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import {
  apiVersion,
  type TaskRun,
  type TaskRunSpec,
  type TaskRunStatus,
} from "../../../operator/src/model/resources.ts";
import { isTerminal } from "../../../operator/src/model/run/phase.ts";

export type Manifest = { apiVersion: string; kind: string; metadata: { name: string } & object } & object;

const callTimeoutMs = 60_000;

/** A namespace with Pod Security `restricted` enforced, as every run must fit. */
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

  /** Does not wait for the end: nothing of it is used again. */
  async remove(): Promise<void> {
    await this.try("delete", "namespace", this.name, "--wait=false");
    await this.#client.close();
  }

  /** Standard output; throws when kubectl fails. */
  async kubectl(...args: string[]): Promise<string> {
    const { stdout } = await run("kubectl", ["--namespace", this.name, ...args], { timeoutMs: 120_000 });
    return stdout;
  }

  try(...args: string[]): Promise<ExecResult> {
    return tryRun("kubectl", ["--namespace", this.name, ...args], { timeoutMs: 120_000 });
  }

  async apply(...manifests: object[]): Promise<void> {
    await run("kubectl", ["--namespace", this.name, "apply", "-f", "-"], {
      input: manifests.map((manifest) => JSON.stringify(manifest)).join("\n---\n"),
      timeoutMs: callTimeoutMs,
    });
  }

  /** What kubectl said when it was expected to fail; throws when it worked. */
  async refusal(manifest: object, ...flags: string[]): Promise<string> {
    const result = await tryRun("kubectl", ["--namespace", this.name, "apply", "-f", "-", ...flags], {
      input: JSON.stringify(manifest),
      timeoutMs: callTimeoutMs,
    });
    if (result.code === 0) throw new Error(`kubectl apply took it: ${result.stdout}`);
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

  async runOf(name: string): Promise<TaskRun> {
    const found = await this.get(TaskRuns, name);
    if (!found) throw new Error(`TaskRun ${name} is gone`);
    return found;
  }

  /** The run's status once it fits; throws at once when the run ended in another way. */
  async until(
    name: string,
    what: string,
    fits: (status: TaskRunStatus) => boolean,
    timeoutMs = 60_000,
  ): Promise<TaskRunStatus> {
    let last: TaskRunStatus | undefined;
    const told = (): string => JSON.stringify(last, undefined, 1);
    return waitFor(
      `TaskRun ${name} ${what}`,
      async () => {
        last = (await this.runOf(name)).status;
        return last && fits(last) ? last : undefined;
      },
      {
        timeoutMs,
        intervalMs: 100,
        describe: told,
        // Only its logs may still change.
        failed: () =>
          last?.conditions?.some((c) => c.type === "Captured" && c.status === "True") ? told() : undefined,
      },
    );
  }

  phase(name: string, phase: TaskRunStatus["phase"], timeoutMs?: number): Promise<TaskRunStatus> {
    return this.until(name, `is ${phase}`, (status) => status.phase === phase, timeoutMs);
  }

  finished(name: string, timeoutMs?: number): Promise<TaskRunStatus> {
    return this.until(name, "has finished", (status) => isTerminal(status.phase), timeoutMs);
  }

  captured(name: string, timeoutMs?: number): Promise<TaskRunStatus> {
    return this.until(
      name,
      "has its logs captured",
      (status) => status.conditions?.some((c) => c.type === "Captured" && c.status === "True") ?? false,
      timeoutMs,
    );
  }
}

export async function podUid(namespace: string, pod: string): Promise<string> {
  const { stdout } = await run("kubectl", [
    ...["get", "pod", pod, "--namespace", namespace, "-o", "jsonpath={.metadata.uid}"],
  ]);
  return stdout;
}

export function taskRun(name: string, spec: object): Manifest {
  return { apiVersion, kind: "TaskRun", metadata: { name }, spec } as Manifest;
}

export function task(name: string, spec: object): Manifest {
  return { apiVersion, kind: "Task", metadata: { name }, spec } as Manifest;
}
