/**
 * The soft stop: after SIGTERM the task's code is asked, through its AbortSignal, to end.
 *
 *   SIGTERM ─► mark in the termination message ─► ask the API why (at most a second) ─► abort the signal
 *
 * It never ends the process: the task's code does, or the kubelet's SIGKILL after the grace period. SIGTERM
 * after `run` has ended changes nothing.
 */
import type { StopReason } from "@fairlead/protocol/context";
import type { StopType } from "@fairlead/protocol/report";
import { warn } from "./stdio.ts";

const messages: Record<StopType, string> = {
  canceled: "The run was canceled.",
  maxDuration: "The run took longer than its maxDuration.",
  shutdown: "The pod is being shut down.",
};

class TaskRunStopped extends Error implements StopReason {
  override readonly name = "TaskRunStopped";
  readonly type: StopType;

  constructor(type: StopType) {
    super(messages[type]);
    this.type = type;
  }
}

const askLimitMs = 1000;

interface StopDeps {
  /** Why the run is being stopped; undefined when neither a user nor its maximum duration asked for it. */
  ask: (timeoutMs: number) => Promise<StopType | undefined>;
  mark: (reason?: StopType) => void;
  gracePeriodMs: number;
}

export class Stop {
  readonly #deps: StopDeps;
  readonly #controller = new AbortController();
  readonly #onStopped: ((type: StopType) => void)[] = [];
  #type: Promise<StopType> | undefined;
  #isClosed = false;

  constructor(deps: StopDeps) {
    this.#deps = deps;
    process.on("SIGTERM", () => this.#request());
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get requested(): boolean {
    return this.#type !== undefined;
  }

  /** Why, once it is known; undefined when no stop was asked for. */
  get type(): Promise<StopType> | undefined {
    return this.#type;
  }

  /** Called when the signal is aborted. */
  onStopped(listener: (type: StopType) => void): void {
    this.#onStopped.push(listener);
  }

  /** User code that a stop could reach has ended. */
  close(): void {
    this.#isClosed = true;
  }

  #request(): void {
    if (this.#isClosed || this.#type) return;
    this.#deps.mark();
    this.#type = this.#resolveType();
  }

  async #resolveType(): Promise<StopType> {
    const type = await this.#ask();
    if (this.#isClosed) return type;
    this.#deps.mark(type);
    this.#controller.abort(new TaskRunStopped(type));
    for (const listener of this.#onStopped) listener(type);
    return type;
  }

  async #ask(): Promise<StopType> {
    try {
      const { ask, gracePeriodMs } = this.#deps;
      return (await ask(Math.min(askLimitMs, gracePeriodMs / 4))) ?? "shutdown";
    } catch (error) {
      warn(
        "the API did not say why the run is being stopped, taken as a shutdown:",
        (error as Error).message,
      );
      return "shutdown";
    }
  }
}
