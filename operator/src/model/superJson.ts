/**
 * superjson as plain JSON, without its library: `{"json": …, "meta": {"values": {"path": ["undefined"]}}}`.
 * Types that JSON does not have stay as `json` spells them; what was undefined in an object is left out, as
 * JSON leaves it out.
 */

import { parseExact } from "../lib/exactJson.ts";

interface SuperJson {
  json: unknown;
  /** How to restore the types. */
  meta?: unknown;
}

export const isSuperJson = (type: string | undefined): boolean => type?.includes("super+json") ?? false;

/** Undefined when the text is no superjson. */
export function parseSuperJson(text: string): SuperJson | undefined {
  let value: unknown;
  try {
    value = parseExact(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("json" in value)) return undefined;
  const meta = "meta" in value ? value.meta : undefined;
  return { json: withoutUndefined(value.json, meta), meta };
}

function withoutUndefined(json: unknown, meta: unknown): unknown {
  const values = (meta as { values?: unknown } | undefined)?.values;
  if (typeof values !== "object" || values === null || Array.isArray(values)) return json;
  for (const [path, kind] of Object.entries(values)) {
    if (!Array.isArray(kind) || kind[0] !== "undefined") continue;
    const keys = keysOf(path);
    const last = keys.pop() ?? "";
    // Own keys only: a path may be anybody's, and must not lead to a prototype.
    const parent = keys.reduce<unknown>((at, key) => (has(at, key) ? at[key] : undefined), json);
    if (has(parent, last) && !Array.isArray(parent)) delete parent[last];
  }
  return json;
}

const has = (value: unknown, key: string): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key);

/** Keys are joined by dots; a dot or a backslash in a key has a backslash before it. */
function keysOf(path: string): string[] {
  const keys = [""];
  for (let i = 0; i < path.length; i++) {
    if (path[i] === ".") keys.push("");
    else {
      if (path[i] === "\\") i++;
      keys[keys.length - 1] += path[i] ?? "";
    }
  }
  return keys;
}
