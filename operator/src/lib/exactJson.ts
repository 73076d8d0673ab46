/**
 * JSON whose numbers keep their text. `JSON.parse` makes doubles of all numbers: 3544790567247868102 comes
 * back as 3544790567247868000, 1.0 as 1, -0 as 0, 1e400 as null. Here a number whose text would change stays
 * what `JSON.rawJSON` makes of its text: an object that `JSON.stringify` writes as it was read. All other
 * values are as `JSON.parse` gives them, so a text without such a number costs one search more.
 *
 * What JSON itself leaves open is not kept: white space, the spelling of a string's escapes, the order of
 * keys that are whole numbers, and all but the last of two equal keys.
 */

/** What `JSON.rawJSON` makes; structuredClone and arithmetic do not know it. */
export interface RawNumber {
  readonly rawJSON: string;
}

type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;

/** ECMAScript's "JSON.parse source text access", which the library's types do not have yet. */
const json = JSON as unknown as {
  parse(text: string, reviver?: Reviver): unknown;
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
};

export const isRawNumber = (value: unknown): value is RawNumber => json.isRawJSON(value);

/** The number that a JSON text spells: plain where a double spells it alike. */
export const numberOf = (text: string): number | RawNumber =>
  JSON.stringify(Number(text)) === text ? Number(text) : json.rawJSON(text);

/** Finds every number that may change; also some that do not, and text in a string that looks like one. */
const maybeInexact = /(?:^|"\s*:|[[,])\s*(?:-0|-?\d{16,}|-?\d+[.eE])/;

/** Throws as JSON.parse does. */
export function parseExact(text: string): unknown {
  return maybeInexact.test(text) ? json.parse(text, keepText) : JSON.parse(text);
}

function keepText(this: unknown, _key: string, value: unknown, { source }: { source?: string }): unknown {
  return typeof value === "number" && source !== undefined ? numberOf(source) : value;
}

/**
 * For what has a schema: numbers are plain, except below the named keys, where anything may be. A whole
 * number that a double cannot hold stays as it is everywhere, so that a schema refuses it.
 */
export function parseExactBelow(text: string, ...keys: string[]): unknown {
  const value = parseExact(text);
  return maybeInexact.test(text) ? plainOutside(value, new Set(keys)) : value;
}

function plainOutside(value: unknown, keys: ReadonlySet<string>): unknown {
  if (isRawNumber(value)) {
    const number = Number(value.rawJSON);
    return /^-?\d+$/.test(value.rawJSON) && !Number.isSafeInteger(number) ? value : number;
  }
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) value[index] = plainOutside(item, keys);
  } else if (typeof value === "object" && value !== null) {
    const holder = value as Record<string, unknown>;
    for (const [key, item] of Object.entries(holder)) {
      if (keys.has(key) || typeof item !== "object") continue;
      const plain = plainOutside(item, keys);
      // An own property also where the key is __proto__.
      if (plain !== item) Object.defineProperty(holder, key, { value: plain, ...ordinary });
    }
  }
  return value;
}
const ordinary = { writable: true, enumerable: true, configurable: true };

/** A copy of JSON; structuredClone would make objects of raw numbers. */
export const cloneJson = <T>(value: T): T =>
  value === undefined ? value : (parseExact(JSON.stringify(value)) as T);
