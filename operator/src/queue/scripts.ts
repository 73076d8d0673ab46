/**
 * The Lua scripts: read from the folder `lua` beside this module (beside dist/main.js in the bundle), called
 * by hash. checkFence.lua and wakeLane.lua are prepended to each of them.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";

const shared = ["checkFence", "wakeLane"];

const names = [
  "admitRuns",
  "beginEpoch",
  "confirmSlot",
  "dropNamespace",
  "enqueueRuns",
  "loadHolders",
  "readHolders",
  "releaseSlots",
  "removeRuns",
  "setLimits",
  "switchEpoch",
  "wakeLanes",
] as const;

export type ScriptName = (typeof names)[number];

/** A younger term leads: this process must not write any more. */
export class FencedError extends Error {
  override readonly name = "FencedError";
  /** The younger term. */
  readonly term: number;

  constructor(message: string) {
    super(message);
    this.term = Number(/term (\d+) leads/.exec(message)?.[1] ?? 0);
  }
}

/** Redis does not hold what the caller knows: it lost something, or another epoch began. */
export class EpochError extends Error {
  override readonly name = "EpochError";
}

export class Scripts {
  readonly #redis: Redis;
  readonly #scripts: Map<ScriptName, { source: string; hash: string }>;

  constructor(redis: Redis, folder = join(import.meta.dirname, "lua")) {
    this.#redis = redis;
    const read = (name: string): string => readFileSync(join(folder, `${name}.lua`), "utf8");
    const head = shared.map(read).join("");
    this.#scripts = new Map(
      names.map((name) => {
        const source = head + read(name);
        return [name, { source, hash: createHash("sha1").update(source).digest("hex") }];
      }),
    );
  }

  /** After an error that is neither FencedError nor EpochError the script may or may not have run. */
  async call(name: ScriptName, keys: string[], args: (string | number)[]): Promise<(string | number)[]> {
    const script = this.#scripts.get(name);
    if (!script) throw new Error(`there is no script ${name}`);
    try {
      return (await this.#evaluate(script, keys, args)) as (string | number)[];
    } catch (error) {
      throw translate(error);
    }
  }

  async #evaluate(
    { source, hash }: { source: string; hash: string },
    keys: string[],
    args: (string | number)[],
  ) {
    try {
      return await this.#redis.evalsha(hash, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return this.#redis.eval(source, keys.length, ...keys, ...args);
    }
  }
}

function translate(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.message.startsWith("FENCED")) return new FencedError(error.message);
  if (error.message.startsWith("EPOCH")) return new EpochError(error.message);
  return error;
}
