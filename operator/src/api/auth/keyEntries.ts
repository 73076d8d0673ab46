/**
 * The API keys that the two Secrets tell of, in the order in which they count; apiKey.ts says which fields a
 * key has. Pure.
 *
 *  - The first key's (`<fullname>-api-key`) has the fields as they are.
 *  - All other keys' (`<fullname>-api-keys`) has an entry `<namespace>.<name>` for each, whose value is the
 *    key, and an entry `<namespace>.<name>.<field>` for each other field. Neither a namespace nor a key's
 *    name has a dot.
 */
import type { V1Secret } from "@kubernetes/client-node";

export interface KeyEntry {
  /** How the log names it. */
  name: string;
  fields: Readonly<Record<string, string>>;
}

export function keyEntries(first: V1Secret | undefined, others: V1Secret | undefined): KeyEntry[] {
  const own = first ? [{ name: first.metadata?.name ?? "", fields: decoded(first) }] : [];
  return [...own, ...(others ? entriesOf(decoded(others)) : [])];
}

function entriesOf(data: Record<string, string>): KeyEntry[] {
  const found = new Map<string, Record<string, string>>();
  for (const [entry, value] of Object.entries(data)) {
    const [namespace = "", name = "", ...field] = entry.split(".");
    const key = `${namespace}.${name}`;
    const fields = found.get(key) ?? { namespace };
    fields[field.length === 0 ? "key" : fieldName(field.join("."))] = value;
    found.set(key, fields);
  }
  return [...found].map(([name, fields]) => ({ name, fields })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Those that the entry's own name and value say are no fields of it. */
const fieldName = (field: string): string => (["key", "namespace"].includes(field) ? `.${field}` : field);

const decoded = ({ data }: V1Secret): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data ?? {}).map(([field, value]) => [
      field,
      Buffer.from(value, "base64").toString("utf8"),
    ]),
  );
