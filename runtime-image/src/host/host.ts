/**
 * The host of one process: fills the slots that SDKs look for, before anything of the user's is imported. All
 * state is here, none in the SDK; so it is the same for official SDKs, ours, and several copies of either.
 * Imports nothing of Trigger.dev.
 */
import type { TaskContext } from "@fairlead/protocol/context";
import { Catalog } from "./catalog.ts";
import { contextSlot, wholeContext } from "./context.ts";
import { Hooks } from "./hooks.ts";
import { loggerSlot } from "./logger.ts";
import { RunMetadata } from "./metadata.ts";
import { fillSlots, tolerant } from "./slots.ts";
import {
  clockSlot,
  heartbeatsSlot,
  idempotencyKeysSlot,
  localsSlot,
  timelineSlot,
  traceContextSlot,
} from "./small.ts";
import { streamsSlot } from "./streams.ts";
import { timeoutSlot, Usage } from "./usage.ts";
import { runtimeSlot, type Waiting } from "./waits.ts";
import { WaitUntil } from "./waitUntil.ts";

interface HostDeps {
  /** Of the attempt; without one (an index of files) no run is known, and nothing can be called. */
  attempt?: {
    ctx: TaskContext;
    signal: AbortSignal;
    waiting: Waiting;
    metadata: ConstructorParameters<typeof RunMetadata>[0]["api"];
    /** The API as a client in the task calls it; read at each call. */
    api: { readonly baseURL: string; readonly accessToken: string };
  };
  /** A line of the run's log. */
  warn: (line: string) => void;
}

export class Host {
  readonly catalog = new Catalog();
  readonly hooks = new Hooks();
  readonly waitUntil = new WaitUntil();
  readonly metadata: RunMetadata | undefined;
  readonly #context: ReturnType<typeof contextSlot> | undefined;

  constructor({ attempt, warn }: HostDeps) {
    const slots: Record<string, object | undefined> = {
      "resource-catalog": this.catalog,
      "lifecycle-hooks": this.hooks.slot,
      "wait-until": this.waitUntil,
      logger: loggerSlot,
      locals: localsSlot(),
      usage: new Usage(),
      heartbeats: heartbeatsSlot(),
      "idempotency-key-catalog": idempotencyKeysSlot(),
      clock: clockSlot,
      "trace-context": traceContextSlot,
      "run-timeline-metrics": timelineSlot,
      timeout: timeoutSlot(attempt?.signal ?? new AbortController().signal),
    };
    // Those that need a run are empty without one, which is nothing that an SDK should be told to lack.
    const ofRun = ["task-context", "api-client", "run-metadata", "realtime-streams", "runtime"];
    const plain: Record<string, object | undefined> = Object.fromEntries(
      ofRun.map((name) => [name, undefined]),
    );
    if (attempt) {
      const streams = streamsSlot(warn);
      this.metadata = new RunMetadata({
        api: attempt.metadata,
        warn,
        stream: (key, source) => streams.pipe(key, source).stream,
        isRoot: () => !hasParent(this.#context?.ctx),
      });
      this.#context = contextSlot(wholeContext(attempt.ctx));
      slots["run-metadata"] = this.metadata.slot;
      slots["realtime-streams"] = streams;
      slots.runtime = runtimeSlot(attempt.waiting, this.hooks);
      plain["task-context"] = this.#context;
      plain["api-client"] = attempt.api;
    }
    for (const [name, target] of Object.entries(slots))
      if (target) plain[name] = tolerant(name, target, warn);
    fillSlots(plain, warn);
  }

  /** The run's facts are complete. Returns `ctx` as the task sees it. */
  begin(ctx: TaskContext): TaskContext {
    const whole = wholeContext(ctx);
    if (this.#context) this.#context.ctx = whole;
    this.metadata?.enter(ctx.run.metadata as Record<string, unknown> | undefined);
    return whole;
  }
}

const hasParent = (ctx: TaskContext | undefined): boolean =>
  (ctx?.run as { parentTaskRunId?: string } | undefined)?.parentTaskRunId !== undefined;
