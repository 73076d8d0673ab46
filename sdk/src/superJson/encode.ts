/**
 * A payload or an output as text, so that what is read is what was given, or it is refused with its path.
 *
 *   kept exactly    what JSON has; as superjson: undefined, BigInt, NaN, Infinity, -0, Date, Map, Set,
 *                   RegExp, URL, Error, typed arrays and Buffers, a reference to an object that contains it
 *   changed         an instance of a class becomes an object of its properties; an object with a toJSON()
 *                   what that returns
 *   refused         functions, symbols, promises, streams, iterators, ArrayBuffers, and objects that have no
 *                   property to show, such as a Response: they would be read as {}
 *
 * The format is that of the package superjson, which Trigger.dev's clients read. Ours because that package
 * drops or breaks some values without a word (a Buffer, an invalid Date, NaN in a Float32Array, the
 * properties of an error), and refuses the keys `constructor` and `prototype`.
 */

import { NotEncodableError, TooLargeError } from "./errors.ts";

/** What JSON has, and how to restore what it does not have. */
export interface SuperJson {
  json: unknown;
  meta?: { values?: unknown; referentialEqualities?: unknown; v: 1 };
}

/** Each level is some frames on the stack, of writer and reader. */
export const maxDepth = 1_000;
const pathShown = 200;

type ToJson = (key: string) => unknown;
type Annotations = Record<string, unknown>;

/** Where a value is: its path for people, and in superjson's annotations. */
interface Place {
  /** Undefined for the whole value. */
  above: Place | undefined;
  /** Of an object, or the index in a list or Set. */
  key: string | number;
  /** In a Map: 0 for the key of row `key`, 1 for its value. */
  side?: 0 | 1;
  /** How messages call it in a Map or Set. */
  label?: string;
  /** Annotations of the nearest Map, Set or Error around it, or of the whole. */
  into: Annotations;
  /** The path in `into`; undefined for the whole value. */
  path: string | undefined;
  depth: number;
}

/** Encodes a value; `name` is how messages call it. Stops when more than `maxBytes` are certain. */
export function encode(value: unknown, name: string, maxBytes = Number.POSITIVE_INFINITY): SuperJson {
  return new Encoder(name, maxBytes).encode(value);
}

class Encoder {
  readonly #name: string;
  #bytesLeft: number;
  /** The objects that contain the present one. */
  readonly #open = new Map<object, Place>();
  /** Of an object's path, the paths that lead back to it. */
  readonly #loops = new Map<Place, Place[]>();
  /** Set when the whole value has a type of its own. */
  #root: unknown[] | undefined;
  /** What is being read: getters, proxies and iterators of user code may throw. */
  #at: Place | undefined;

  constructor(name: string, maxBytes: number) {
    this.#name = name;
    this.#bytesLeft = maxBytes;
  }

  encode(value: unknown): SuperJson {
    const values: Annotations = Object.create(null);
    const place: Place = { above: undefined, key: "", into: values, path: undefined, depth: 0 };
    const json = this.#whole(value, place);
    const annotations = this.#root ?? (isEmpty(values) ? undefined : values);
    const loops = this.#equalities();
    if (!annotations && !loops) return { json };
    return {
      json,
      meta: {
        ...(annotations ? { values: annotations } : {}),
        ...(loops ? { referentialEqualities: loops } : {}),
        v: 1,
      },
    };
  }

  #whole(value: unknown, place: Place): unknown {
    try {
      return this.#value(value, place);
    } catch (error) {
      if (error instanceof NotEncodableError || error instanceof TooLargeError) throw error;
      throw this.#refused(this.#at ?? place, `cannot be read: ${error}`);
    }
  }

  #value(value: unknown, place: Place): unknown {
    this.#count(1);
    switch (typeof value) {
      case "string":
        this.#count(value.length + 1);
        return value;
      case "boolean":
        return value;
      case "number":
        return isJsonNumber(value) ? value : this.#typed(place, "number", numberText(value));
      case "undefined":
        return this.#typed(place, "undefined", null);
      case "bigint":
        return this.#typed(place, "bigint", value.toString());
      case "function":
      case "symbol":
        throw this.#refused(place, `is a ${typeof value}; leave it out`);
      default:
        return value === null ? null : this.#object(value as object, place);
    }
  }

  #object(value: object, place: Place): unknown {
    const around = this.#open.get(value);
    if (around) {
      const places = this.#loops.get(around) ?? [];
      this.#loops.set(around, [...places, place]);
      return null;
    }
    if (place.depth > maxDepth) throw this.#refused(place, `is nested more than ${maxDepth} levels deep`);
    this.#open.set(value, place);
    this.#at = place;
    const json = Array.isArray(value) ? this.#list(value, place) : this.#known(value, place);
    this.#open.delete(value);
    return json;
  }

  #known(value: object, place: Place): unknown {
    if (value instanceof Date)
      return this.#typed(place, "Date", Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString());
    if (value instanceof Map) return this.#inside(place, "map", (into) => this.#rows(value, place, into));
    if (value instanceof Set) return this.#inside(place, "set", (into) => this.#items(value, place, into));
    if (value instanceof Error)
      return this.#inside(place, "Error", (into) => this.#error(value, place, into));
    if (value instanceof RegExp) return this.#typed(place, "regexp", String(value));
    if (value instanceof URL) return this.#typed(place, "URL", value.href);
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return this.#typedArray(value, place);
    if (value instanceof Number || value instanceof String || value instanceof Boolean)
      return this.#value(value.valueOf(), place);
    return this.#other(value, place);
  }

  /** An object of the user's. */
  #other(value: object, place: Place): unknown {
    if (typeof (value as { toJSON?: unknown }).toJSON === "function")
      return this.#value(this.#called(value as { toJSON: ToJson }, place), place);
    const problem = problemOf(value);
    if (problem) throw this.#refused(place, problem);
    const keys = Object.keys(value);
    if (!isPlain(value)) {
      if (keys.length === 0)
        throw this.#refused(
          place,
          `is a ${nameOf(value)} without a property to send; give it a toJSON() or pass what it holds`,
        );
    } else {
      const symbol = Object.getOwnPropertySymbols(value).find(
        (key) => Object.hasOwn(value, key) && isShown(value, key),
      );
      if (symbol) throw this.#refused(place, `has the key ${String(symbol)}; only text can be a key`);
    }
    return this.#fields(value, keys, place, place.into, place.path);
  }

  #fields(
    value: object,
    keys: readonly string[],
    place: Place,
    into: Annotations,
    path: string | undefined,
  ): Record<string, unknown> {
    const json: Record<string, unknown> = {};
    for (const key of keys) {
      this.#count(key.length + 3);
      const at = { above: place, key, into, path: joined(path, key), depth: place.depth + 1 };
      this.#at = at;
      const item = this.#value((value as Record<string, unknown>)[key], at);
      if (key === "__proto__") Object.defineProperty(json, key, { value: item, enumerable: true });
      else json[key] = item;
    }
    return json;
  }

  #list(value: readonly unknown[], place: Place): unknown[] {
    const { into, depth } = place;
    const json: unknown[] = [];
    // By index: a hole counts as undefined.
    for (let i = 0; i < value.length; i++) {
      const at = { above: place, key: i, into, path: joined(place.path, String(i)), depth: depth + 1 };
      this.#at = at;
      json.push(this.#value(value[i], at));
    }
    return json;
  }

  #items(value: Set<unknown>, above: Place, into: Annotations): unknown[] {
    return [...value].map((item, key) => {
      const label = `.values()[${key}]`;
      return this.#value(item, { above, key, label, into, path: `${key}`, depth: above.depth + 1 });
    });
  }

  #rows(value: Map<unknown, unknown>, above: Place, into: Annotations): unknown[][] {
    return [...value].map(([name, item], key) => {
      const at = { above, key, into, depth: above.depth + 1 };
      const isText = typeof name === "string" || typeof name === "number";
      const label = isText ? `.get(${JSON.stringify(name)})` : `.values()[${key}]`;
      return [
        this.#value(name, { ...at, side: 0, label: `.keys()[${key}]`, path: `${key}.0` }),
        this.#value(item, { ...at, side: 1, label, path: `${key}.1` }),
      ];
    });
  }

  /** Its name and message, and what it has of its own: cause, errors, code. */
  #error(value: Error, place: Place, into: Annotations): Record<string, unknown> {
    const own = Object.keys(value).filter(
      (key) => !["name", "message", "stack", "cause", "errors"].includes(key),
    );
    const hidden = ["cause", "errors"].filter((key) => Object.hasOwn(value, key));
    const json = this.#fields(value, [...hidden, ...own], place, into, undefined);
    json.name = String(value.name);
    json.message = String(value.message);
    return json;
  }

  #typedArray(value: ArrayBufferView, place: Place): unknown {
    const items = value as unknown as ArrayLike<number | bigint>;
    this.#count(items.length * 2);
    const json = Array.from(items, (item) =>
      typeof item === "bigint" ? item.toString() : isJsonNumber(item) ? item : numberText(item),
    );
    const isBuffer = typeof Buffer === "function" && Buffer.isBuffer(value);
    // As Trigger.dev's clients annotate a Buffer.
    const type = isBuffer ? ["custom", "buffer"] : ["typed-array", (value as Uint8Array)[Symbol.toStringTag]];
    return this.#typed(place, type, json);
  }

  /** A Map, Set or Error: annotations of what it contains are below its own. */
  #inside(place: Place, type: string, work: (into: Annotations) => unknown): unknown {
    const into: Annotations = Object.create(null);
    const json = work(into);
    this.#annotate(place, isEmpty(into) ? [type] : [type, into]);
    return json;
  }

  #typed(place: Place, type: string | string[], json: unknown): unknown {
    if (typeof json === "string") this.#count(json.length + 1);
    this.#annotate(place, [type]);
    return json;
  }

  #annotate({ into, path }: Place, annotation: unknown[]): void {
    this.#count((path?.length ?? 0) + 8);
    if (path === undefined) this.#root = annotation;
    else into[path] = annotation;
  }

  /** `[[paths back to the whole], {other: [paths back to it]}]`, as superjson has them. */
  #equalities(): unknown {
    if (this.#loops.size === 0) return undefined;
    let whole: string[] | undefined;
    const others: Record<string, string[]> = Object.create(null);
    for (const [place, back] of this.#loops) {
      const paths = back.map(fullPath);
      if (place.above) others[fullPath(place)] = paths;
      else whole = paths;
    }
    if (!whole) return others;
    return isEmpty(others) ? [whole] : [whole, others];
  }

  #count(bytes: number): void {
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft < 0) throw new TooLargeError(`${this.#name}: too large`);
  }

  #called(value: { toJSON: ToJson }, place: Place): unknown {
    try {
      return value.toJSON(String(place.key));
    } catch (error) {
      throw new NotEncodableError(`${this.#shown(place)}.toJSON()`, `throws ${error}`);
    }
  }

  #refused(place: Place, problem: string): NotEncodableError {
    return new NotEncodableError(this.#shown(place), problem);
  }

  #shown(place: Place): string {
    const steps: string[] = [];
    for (let at: Place | undefined = place; at; at = at.above) steps.push(stepOf(at));
    const path = this.#name + steps.reverse().join("");
    return path.length <= pathShown ? path : `${path.slice(0, pathShown)}…`;
  }
}

const isJsonNumber = (value: number): boolean => Number.isFinite(value) && !Object.is(value, -0);
const numberText = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));
const isEmpty = (record: object): boolean => Object.keys(record).length === 0;
const isShown = (value: object, key: symbol): boolean =>
  Object.getOwnPropertyDescriptor(value, key)?.enumerable === true;

/** A dot in a key has a backslash before it, and so has a backslash. */
const escaped = (key: string): string => key.replace(/[\\.]/g, "\\$&");
const joined = (path: string | undefined, key: string): string =>
  path === undefined ? escaped(key) : `${path}.${escaped(key)}`;

function fullPath(place: Place): string {
  const keys: string[] = [];
  for (let at: Place | undefined = place; at; at = at.above)
    if (at.above) keys.unshift(escaped(String(at.key)) + (at.side === undefined ? "" : `.${at.side}`));
  return keys.join(".");
}

function stepOf({ above, key, label }: Place): string {
  if (!above) return "";
  if (label !== undefined) return label;
  return typeof key === "string" && /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** An object literal's, also one of another realm. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function nameOf(value: object): string {
  const name = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "object";
}

const tagOf = (value: object): string => Object.prototype.toString.call(value).slice("[object ".length, -1);

const bytesHint = "pass new Uint8Array of it";
const bodyHint = "read it, for example with await response.json()";
const listHint = "pass Object.fromEntries of it";
/** By the tag that the platform gives its objects. */
const platform: Record<string, string> = {
  ArrayBuffer: bytesHint,
  SharedArrayBuffer: bytesHint,
  DataView: "pass new Uint8Array of its buffer",
  Response: bodyHint,
  Request: bodyHint,
  Blob: "read it with await blob.bytes()",
  File: "read it with await file.bytes()",
  Headers: listHint,
  FormData: listHint,
  URLSearchParams: listHint,
  WeakMap: "nothing can list what it holds",
  WeakSet: "nothing can list what it holds",
  WeakRef: "pass what it refers to",
};

/** Why an object of the platform cannot be sent, and what would be right. */
function problemOf(value: object): string | undefined {
  const tag = tagOf(value);
  if (Object.hasOwn(platform, tag)) return `is ${article(tag)}; ${platform[tag]}`;
  const has = (method: string): boolean => typeof (value as Record<string, unknown>)[method] === "function";
  if (has("then")) return "is a promise; await it";
  if (tag.endsWith("Stream") || (has("pipe") && has("on"))) return "is a stream; read it to its end";
  if (has("next") && (tag.endsWith("Iterator") || tag.endsWith("Generator")))
    return `is ${article(tag)}; pass an array of what it yields`;
  return undefined;
}

const article = (word: string): string => `${/^[AEIOU]/.test(word) ? "an" : "a"} ${word}`;
