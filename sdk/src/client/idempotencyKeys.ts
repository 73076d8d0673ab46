/**
 * Idempotency keys: a task runs once for a key. The API gets the hash of a key, and the key itself only to
 * show it.
 */
import { shown } from "../checks.ts";
import { InvalidOptionError } from "../errors.ts";
import type { RequestOptions } from "../types.ts";
import { request } from "./request.ts";

/** A key as a trigger or a batch sends it. */
export interface WireKey {
  idempotencyKey: string;
  /** The key as its user wrote it, when that is known. */
  idempotencyKeyOptions?: { key: string; scope: "global" };
}

/** The keys of the hashes that `create` returned; the oldest is dropped first. */
const originals = new Map<string, string>();
const originalsKept = 10_000;

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
  const original = isHash ? originals.get(text) : text;
  return {
    idempotencyKey: isHash ? text : await hashOf(text),
    ...(original === undefined ? {} : { idempotencyKeyOptions: { key: original, scope: "global" } }),
  };
}

export const idempotencyKeys = {
  /** The key as a hash. A trigger takes it in place of the key; the same parts give the same hash. */
  async create(key: string | string[]): Promise<string> {
    const hash = await hashOf(key);
    if (originals.size >= originalsKept) originals.delete(originals.keys().next().value ?? "");
    originals.set(hash, textOf(key));
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
