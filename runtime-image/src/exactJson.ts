/**
 * JSON.parse that names the numbers which it changed: an integer of more than 53 bits is rounded, and what is
 * larger than any number becomes Infinity. The value is that of JSON.parse; who needs such a number exactly
 * sends it as text.
 */

interface Parsed {
  value: unknown;
  /** A sentence for each such number: at most `shown`, and one that counts the others. */
  changes: string[];
}

interface Change {
  key: string;
  source: string;
  value: number;
}

const shown = 5;
/** What such a number looks like. Digits within a string cost only the closer look. */
const suspect = /\d{16}|\d[eE]\+?\d{2}/;

export function parseJson(text: string, name: string): Parsed {
  if (!suspect.test(text)) return { value: JSON.parse(text), changes: [] };
  const found = new Map<object, Change[]>();
  let count = 0;
  const value = JSON.parse(text, function (
    this: object,
    key: string,
    item: unknown,
    context?: { source?: string },
  ) {
    const source = context?.source;
    if (typeof item !== "number" || source === undefined || isExact(source, item)) return item;
    if (++count <= shown) found.set(this, [...(found.get(this) ?? []), { key, source, value: item }]);
    return item;
  } as Parameters<typeof JSON.parse>[1]);
  const changes = [...found].flatMap(([holder, list]) =>
    list.map((change) => sentence(pathOf(value, holder, change.key, name), change)),
  );
  if (count > shown) changes.push(`${name}: ${count - shown} more numbers were changed`);
  return { value, changes };
}

/**
 * The text and its value are the same number. Those with a fraction are approximate wherever they are read.
 */
function isExact(source: string, value: number): boolean {
  if (!Number.isFinite(value)) return false;
  return !/^-?\d+$/.test(source) || BigInt(source) === BigInt(value);
}

const sentence = (path: string, { source, value }: Change): string =>
  `${path}: ${source} is read as ${value}, as a number of JavaScript has 53 bits; send it as text, or as a BigInt with an SDK`;

/** Where `holder` is in the value; `name` alone for a value that is the number itself. */
function pathOf(root: unknown, holder: object, key: string, name: string): string {
  const next: [value: unknown, path: string][] = [[root, name]];
  for (let at = next.pop(); at; at = next.pop()) {
    const [value, path] = at;
    if (typeof value !== "object" || value === null) continue;
    if (value === holder) return path + step(value, key);
    for (const [name, item] of Object.entries(value)) next.push([item, path + step(value, name)]);
  }
  return name;
}

const step = (holder: object, key: string): string => (Array.isArray(holder) ? `[${key}]` : `.${key}`);
