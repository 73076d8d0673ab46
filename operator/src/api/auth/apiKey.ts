/**
 * An API key as its Secret tells it (keyEntries.ts):
 *
 *   key         the text that clients send; public tokens are signed with it
 *   namespace   the environment that it opens
 *   scopes      optional: `trigger`, `read`, `manage`, or scopes such as `read:tasks:mail`, with spaces
 *               between them. Without it the key is allowed everything.
 *   notAfter    optional: when it ends, as an RFC 3339 time
 *
 * A key with any other field, or other text in one, opens nothing: a mistake must not widen a right.
 */
import { parseDate } from "@fairlead/protocol/durations";
import { leastCharacters, weakness } from "../../model/randomText.ts";

export interface ApiKey {
  /** How the log names it. */
  name: string;
  key: string;
  namespace: string;
  scopes?: readonly string[];
  /** Milliseconds since the epoch. */
  notAfter?: number;
}

const known = ["key", "namespace", "scopes", "notAfter"];
const rights: ReadonlyMap<string, readonly string[]> = new Map([
  ["trigger", ["trigger:tasks", "batchTrigger:tasks"]],
  ["read", ["read:all"]],
  ["manage", ["admin"]],
]);
const scopePattern = /^(read|write|trigger|batchTrigger):(all|(runs|tags|tasks|batch|queues)(:.+)?)$/;

/** The key, or why it does not count. */
export function apiKeyOf(name: string, fields: Readonly<Record<string, string>>): ApiKey | string {
  const unknown = Object.keys(fields).find((field) => !known.includes(field));
  if (unknown !== undefined)
    return `${JSON.stringify(unknown.slice(0, 80))} is no field of a key: there are ${known.join(", ")}`;
  const [key, namespace] = [fields.key?.trim() ?? "", fields.namespace?.trim() ?? ""];
  if (key === "") return "key: there is none: give the text that clients send";
  if (!/^[\w~+/=-]+$/.test(key)) return "key: has other characters than letters, digits and _ - ~ + / =";
  const weak = weakness(key);
  if (weak) return `key: ${weak}: at least ${leastCharacters} are needed, such as of openssl rand -hex 32`;
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace))
    return "namespace: not the name of one: give the namespace that the key opens";
  const scopes = fields.scopes === undefined ? undefined : scopesOf(fields.scopes);
  if (typeof scopes === "string") return `scopes: ${scopes}`;
  const notAfter = fields.notAfter === undefined ? undefined : parseDate(fields.notAfter.trim());
  if (fields.notAfter !== undefined && notAfter === undefined)
    return "notAfter: not a time (for example 2030-12-24T18:00:00Z)";
  return { name, key, namespace, ...(scopes && { scopes }), ...(notAfter !== undefined && { notAfter }) };
}

function scopesOf(text: string): string[] | string {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  const wrong = words.find((word) => !rights.has(word) && word !== "admin" && !scopePattern.test(word));
  if (words.length === 0) return "empty: give some, or leave it out for all rights";
  if (wrong !== undefined)
    return `${JSON.stringify(wrong.slice(0, 80))} is none: use trigger, read, manage, or one such as read:tasks:mail`;
  return words.flatMap((word) => rights.get(word) ?? [word]);
}
