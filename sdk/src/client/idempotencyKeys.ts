/** Idempotency keys: a task runs once for a key. What the API gets is a key's hash; the key itself goes along for people. */
import { InvalidOptionError } from "../errors.ts";
import type { RequestOptions } from "../types.ts";
import { request } from "./request.ts";

/** A key as a trigger or a batch sends it. */
export interface WireKey {
  idempotencyKey: string;
  /** The key as its user wrote it, when that is known. */
  idempotencyKeyOptions?: { key: string; scope: "global" };
}

/** The keys of hashes that `create` made. */
const originals = new Map<string, string>();
const originalsKept = 10_000;

const textOf = (key: string | string[]): string => [key].flat().join("-");

/** SHA-256 of the parts, joined by dashes, in hex. */
export async function hashOf(key: string | string[]): Promise<string> {
  const bytes = new TextEncoder().encode(textOf(key));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What stands for a key; a hash, which `create` returns, stands for itself. An empty key is refused. */
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
  /** The key as a hash, which the options of a trigger take as they take the key; the same for the same parts. */
  async create(key: string | string[]): Promise<string> {
    const hash = await hashOf(key);
    if (originals.size >= originalsKept) originals.delete(originals.keys().next().value ?? "");
    originals.set(hash, textOf(key));
    return hash;
  },

  /** The key is free again: the next trigger with it runs. Throws NotFoundError when it was never used. */
  async reset(task: string, key: string | string[], options: RequestOptions = {}): Promise<{ id: string }> {
    const { idempotencyKey } = await wireKey(key);
    const path = `/api/v1/idempotencyKeys/${idempotencyKey}/reset`;
    return (
      await request<{ id: string }>({ ...options, method: "POST", path, body: { taskIdentifier: task } })
    ).body;
  },
};
