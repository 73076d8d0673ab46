/**
 * Idempotency keys: a task runs once for a key. The API gets the hash of a key, and the key itself only to
 * show it.
 */
import { checkOptions, oneOf, shown } from "../checks.ts";
import { InvalidOptionError } from "../errors.ts";
import { currentContext } from "../inside/context.ts";
import type { RequestOptions } from "../types.ts";
import { request } from "./request.ts";

/** A key as a trigger or a batch sends it. */
export interface WireKey {
  idempotencyKey: string;
  /** The key as its user wrote it, when that is known. */
  idempotencyKeyOptions?: Original;
}

/**
 * Where a key counts: within the run whose code makes it, the attempt, or everywhere. Outside of a run it
 * counts everywhere.
 */
export type KeyScope = "run" | "attempt" | "global";
const scopes: readonly KeyScope[] = ["run", "attempt", "global"];

interface Original {
  key: string;
  scope: KeyScope;
}

/** The keys of the hashes that `create` returned; the oldest is dropped first. */
const originals = new Map<string, Original>();
const originalsKept = 10_000;

/** What a key has in addition to its parts. */
function partsOf(scope: KeyScope): string[] {
  const ctx = currentContext();
  if (!ctx || scope === "global") return [];
  return scope === "run" ? [ctx.run.id] : [ctx.run.id, String(ctx.attempt.number)];
}

const scopeHere = (): KeyScope => (currentContext() ? "run" : "global");

function textOf(key: string | string[]): string {
  const parts = [key].flat();
  const wrong = parts.find((part) => typeof part !== "string");
  if (wrong !== undefined || parts.includes(undefined as never))
    throw new InvalidOptionError(
      "idempotencyKey",
      `${shown(wrong)} is given; it must be text or a list of texts`,
    );
  return parts.join("-");
}

/** SHA-256 of the parts, joined by dashes, in hex. */
export async function hashOf(key: string | string[]): Promise<string> {
  const bytes = new TextEncoder().encode(textOf(key));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The key as it is sent; a hash, as `create` returns it, is sent as it is. An empty key is refused. */
export async function wireKey(key: string | string[]): Promise<WireKey> {
  const text = textOf(key);
  if (text === "") throw new InvalidOptionError("idempotencyKey", "is empty; give some text or leave it out");
  const isHash = /^[0-9a-f]{64}$/.test(text);
  const scope = scopeHere();
  const original = isHash ? originals.get(text) : { key: text, scope };
  return {
    idempotencyKey: isHash ? text : await hashOf([text, ...partsOf(scope)]),
    ...(original === undefined ? {} : { idempotencyKeyOptions: original }),
  };
}

export const idempotencyKeys = {
  /**
   * The key as a hash. A trigger takes it in place of the key; the same parts give the same hash. Within a
   * run it counts for this run alone, unless `scope` says otherwise.
   */
  async create(key: string | string[], options: { scope?: KeyScope } = {}): Promise<string> {
    checkOptions(options, { scope: oneOf(...scopes) });
    const { scope = scopeHere() } = options;
    const hash = await hashOf([textOf(key), ...partsOf(scope)]);
    if (originals.size >= originalsKept) originals.delete(originals.keys().next().value ?? "");
    originals.set(hash, { key: textOf(key), scope });
    return hash;
  },

  /** Frees the key: the next trigger with it runs. Throws NotFoundError when it was never used. */
  async reset(task: string, key: string | string[], options: RequestOptions = {}): Promise<{ id: string }> {
    const { idempotencyKey } = await wireKey(key);
    const path = `/api/v1/idempotencyKeys/${idempotencyKey}/reset`;
    return (
      await request<{ id: string }>({ ...options, method: "POST", path, body: { taskIdentifier: task } })
    ).body;
  },
};
