/**
 * The slot "lifecycle-hooks": for each kind of hook the global ones, in the order in which they were
 * registered, and one a task. A global hook with the id of another replaces it; without an id it is its
 * source text that tells it apart, so that a module that was loaded twice does not do its work twice. Both
 * are Trigger.dev's rules.
 */
import { type HookFunction, type HookKind, hookKinds, type RegisteredHook } from "@fairlead/sdk/slots";

/** What a run waits for, as onWait and onResume see it. */
export type Wait =
  | { type: "task"; runId: string }
  | { type: "batch"; batchId: string; runCount: number }
  | { type: "duration"; date: Date }
  | { type: "token"; token: string };

type Listener = (wait: Wait) => Promise<void>;

interface Registered extends RegisteredHook {
  id: string;
  name?: string;
}

export class Hooks {
  readonly #globals = new Map<HookKind, Map<string, Registered>>();
  readonly #tasks = new Map<string, HookFunction>();
  readonly #listeners: Record<"Wait" | "Resume" | "Cancel", Listener[]> = {
    Wait: [],
    Resume: [],
    Cancel: [],
  };
  /** The slot's object. */
  readonly slot: Record<string, (...args: never[]) => unknown> = {};

  constructor() {
    for (const kind of hookKinds) {
      this.#globals.set(kind, new Map());
      this.slot[`registerGlobal${kind}Hook`] = (hook: RegisteredHook) => this.#add(kind, hook);
      this.slot[`getGlobal${kind}Hooks`] = () => this.#globalsOf(kind);
      this.slot[`registerTask${kind}Hook`] = (taskId: string, { fn }: RegisteredHook) =>
        void this.#tasks.set(`${kind} ${taskId}`, fn);
      this.slot[`getTask${kind}Hook`] = (taskId: string) => this.#tasks.get(`${kind} ${taskId}`);
    }
    for (const kind of ["Wait", "Resume", "Cancel"] as const) {
      this.slot[`registerOn${kind}HookListener`] = (listener: Listener) =>
        void this.#listeners[kind].push(listener);
      this.slot[`callOn${kind}HookListeners`] = (wait: Wait) => this.call(kind, wait);
    }
  }

  /** Those that count for the task, global ones first. */
  of(kind: HookKind, taskId: string): { name: string; fn: HookFunction }[] {
    const own = this.#tasks.get(`${kind} ${taskId}`);
    const globals = this.#globalsOf(kind).map(({ name, fn }) => ({ name: name ?? "", fn }));
    return own ? [...globals, { name: "", fn: own }] : globals;
  }

  /** The task's own. */
  ownOf(kind: HookKind, taskId: string): HookFunction | undefined {
    return this.#tasks.get(`${kind} ${taskId}`);
  }

  onEach(kind: "Wait" | "Resume", listener: Listener): void {
    this.#listeners[kind].push(listener);
  }

  /** Never fails: what a listener throws is its own. */
  async call(kind: "Wait" | "Resume" | "Cancel", wait: Wait): Promise<void> {
    await Promise.allSettled(this.#listeners[kind].map((listener) => listener(wait)));
  }

  #add(kind: HookKind, { id, fn }: RegisteredHook): void {
    this.#globals.get(kind)?.set(id ?? String(fn), { id: id ?? String(fn), name: id, fn });
  }

  #globalsOf(kind: HookKind): Registered[] {
    return [...(this.#globals.get(kind)?.values() ?? [])];
  }
}
