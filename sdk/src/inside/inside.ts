/** Small things for code within a run: locals, usage, timeouts, heartbeats, tags. */
import { maxDurationNone } from "@fairlead/protocol/limits";
import { oneOrMore, text } from "../checks.ts";
import { request, segment } from "../client/request.ts";
import { InvalidOptionError } from "../errors.ts";
import { slot } from "../slots.ts";
import type { RequestOptions } from "../types.ts";
import { currentContext } from "./context.ts";

/** The key of a local; its type is that of the values. */
export interface Local<T> {
  readonly id: string;
  readonly __type: symbol;
  readonly __valueType?: T;
}

interface LocalsSlot {
  getLocal(key: Local<unknown>): unknown;
  setLocal(key: Local<unknown>, value: unknown): void;
}

/** Values of the attempt that middleware, hooks and `run` share. */
export const locals = {
  create: <T>(id: string): Local<T> => ({ id, __type: Symbol.for(id) }),
  get: <T>(key: Local<T>): T | undefined => slot<LocalsSlot>("locals")?.getLocal(key) as T | undefined,
  getOrThrow<T>(key: Local<T>): T {
    const value = locals.get(key);
    if (value === undefined) throw new Error(`locals: "${key.id}" is not set`);
    return value;
  },
  set<T>(key: Local<T>, value: T): T {
    slot<LocalsSlot>("locals")?.setLocal(key, value);
    return value;
  },
};

interface Sample {
  cpuTime: number;
  wallTime: number;
}

interface Measurement {
  sample(): Sample;
}

interface UsageSlot {
  sample(): Sample | undefined;
  start(): Measurement;
  stop(measurement: Measurement): Sample;
}

/** How long code was at work; times in which it waited for other runs do not count. */
export const usage = {
  getCurrent(): { compute: { attempt: { durationMs: number; costInCents: number } } } {
    const durationMs = slot<UsageSlot>("usage")?.sample()?.cpuTime ?? 0;
    return { compute: { attempt: { durationMs, costInCents: 0 } } };
  },
  async measure<T>(
    work: () => T | Promise<T>,
  ): Promise<{ result: T; compute: { durationMs: number; costInCents: number } }> {
    const host = slot<UsageSlot>("usage");
    const measurement = host?.start();
    const result = await work();
    const durationMs = host && measurement ? host.stop(measurement).cpuTime : 0;
    return { result, compute: { durationMs, costInCents: 0 } };
  },
};

export const timeout = {
  /** As `maxDuration`: no limit. */
  None: maxDurationNone,
  /** Aborted when the run is stopped; undefined outside of a run. */
  get signal(): AbortSignal | undefined {
    return slot<{ signal?: AbortSignal }>("timeout")?.signal;
  },
};

interface HeartbeatsSlot {
  yield(): Promise<void>;
  lastHeartbeat?: Date;
}

export const heartbeats = {
  /** Lets timers and signals have their turn in a loop that computes for long. */
  yield: async (): Promise<void> => slot<HeartbeatsSlot>("heartbeats")?.yield(),
  getLastHeartbeat: (): Date | undefined => slot<HeartbeatsSlot>("heartbeats")?.lastHeartbeat,
};

export const tags = {
  /** Adds tags to the run that this code belongs to. */
  async add(given: string | string[], options: RequestOptions = {}): Promise<void> {
    const problem = oneOrMore(text)(given);
    if (problem) throw new InvalidOptionError("tags", problem);
    const id = currentContext()?.run.id;
    if (id === undefined)
      throw new Error("tags.add: outside of a run there is none to add tags to; give them when you trigger");
    const path = `/api/v1/runs/${segment(id)}/tags`;
    await request({ ...options, method: "POST", path, body: { tags: given } });
  },
};
