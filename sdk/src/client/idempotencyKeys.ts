/** Idempotency keys: a task runs once for a key. */
import { type RequestOptions, request } from "./request.ts";
import { rememberKey } from "./triggerOptions.ts";

/** SHA-256 of the parts, joined by dashes, in hex. */
export async function hashOf(key: string | string[]): Promise<string> {
  const bytes = new TextEncoder().encode([key].flat().join("-"));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const idempotencyKeys = {
  /** The key as a hash, which the options of a trigger take; the same for the same parts. */
  async create(key: string | string[]): Promise<string> {
    const hash = await hashOf(key);
    rememberKey(hash, [key].flat().join("-"));
    return hash;
  },

  /** The key is free again: the next trigger with it runs. Throws NotFoundError when it was never used. */
  async reset(task: string, key: string | string[], options: RequestOptions = {}): Promise<{ id: string }> {
    const text = [key].flat().join("-");
    const hash = /^[0-9a-f]{64}$/.test(text) ? text : await hashOf(key);
    const path = `/api/v1/idempotencyKeys/${hash}/reset`;
    return (
      await request<{ id: string }>({ ...options, method: "POST", path, body: { taskIdentifier: task } })
    ).body;
  },
};
