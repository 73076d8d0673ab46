/**
 * superjson back to values (encode.ts has the format), also what the package superjson and Trigger.dev's
 * clients write. Works in place on parsed JSON. A path leads along own properties only, so that no text of
 * a client reaches a prototype.
 */

type Path = string[];

/** Throws when a type is unknown, or an annotation does not fit the JSON. */
export function decode(json: unknown, meta: unknown): unknown {
  const { values, referentialEqualities, v = 0 } = (meta ?? {}) as Record<string, unknown>;
  const isLegacy = Number(v) < 1;
  const value = values === undefined ? json : typed(json, values, isLegacy);
  return referentialEqualities === undefined ? value : linked(value, referentialEqualities, isLegacy);
}

/** superjson as one text: `{"json": …, "meta": …}`. */
export function parseSuperJson(text: string, parse: (text: string) => unknown = JSON.parse): unknown {
  const whole = parse(text);
  if (typeof whole !== "object" || whole === null || !("json" in whole))
    throw new SyntaxError('there is no "json" in it');
  return decode(whole.json, "meta" in whole ? whole.meta : undefined);
}

/** `[type]`, `[type, annotations inside]` or `{path: annotation}`. What is inside comes first. */
function typed(value: unknown, annotation: unknown, isLegacy: boolean): unknown {
  if (!Array.isArray(annotation)) return inside(value, annotation, isLegacy);
  const [type, inner] = annotation;
  return restored(type, inner === undefined ? value : inside(value, inner, isLegacy));
}

function inside(value: unknown, annotations: unknown, isLegacy: boolean): unknown {
  for (const [path, annotation] of Object.entries(annotations ?? {})) {
    const keys = keysOf(path, isLegacy);
    const last = keys.pop() ?? "";
    const parent = keys.reduce(own, value);
    if (typeof parent !== "object" || parent === null)
      throw new TypeError(`meta names "${path}", which is not there`);
    set(parent, last, typed(own(parent, last), annotation, isLegacy));
  }
  return value;
}

function restored(type: unknown, value: unknown): unknown {
  if (Array.isArray(type)) return restoredList(type, value);
  switch (type) {
    case "undefined":
      return undefined;
    case "bigint":
      return BigInt(value as string);
    case "number":
      return Number(value);
    case "Date":
      return new Date(value as string);
    case "map":
      return new Map(value as [unknown, unknown][]);
    case "set":
      return new Set(value as unknown[]);
    case "regexp":
      return regexp(value as string);
    case "URL":
      return new URL(value as string);
    case "Error":
      return errorOf(value as Record<string, unknown>);
    default:
      throw new TypeError(`the type ${JSON.stringify(type)} is unknown`);
  }
}

const typedArrays = /^(Big)?(Int|Uint|Float)(8|16|32|64)(Clamped)?Array$/;

function restoredList([kind, name]: unknown[], value: unknown): unknown {
  const isBuffer = kind === "custom" ? name === "buffer" : kind === "typed-array" && name === "Buffer";
  const items = value as (number | string)[];
  if (isBuffer && typeof Buffer === "function") return Buffer.from(items as number[]);
  const arrayName = isBuffer ? "Uint8Array" : String(name);
  const Type = (globalThis as Record<string, unknown>)[arrayName];
  if ((kind !== "typed-array" && !isBuffer) || !typedArrays.test(arrayName) || typeof Type !== "function")
    throw new TypeError(`the type ${JSON.stringify([kind, name])} is unknown`);
  const numbers: unknown[] = arrayName.startsWith("Big") ? items.map(BigInt) : items.map(Number);
  return Reflect.construct(Type, [numbers]);
}

function regexp(text: string): RegExp {
  const end = text.lastIndexOf("/");
  return new RegExp(text.slice(1, end), text.slice(end + 1));
}

function errorOf({ name, message, cause, ...rest }: Record<string, unknown>): Error {
  const error = new Error(String(message), cause === undefined ? {} : { cause });
  const hidden = { writable: true, configurable: true, enumerable: false };
  if (name !== error.name) Object.defineProperty(error, "name", { ...hidden, value: name });
  // Where it was read says nothing.
  Object.defineProperty(error, "stack", { ...hidden, value: `${name}: ${message}` });
  for (const [key, value] of Object.entries(rest)) set(error, key, value);
  return error;
}

/** `{path: [same as it]}`, or `[[same as the whole], {…}]`. */
function linked(whole: unknown, equalities: unknown, isLegacy: boolean): unknown {
  const keys = (path: string): Path => keysOf(path, isLegacy);
  const [roots, others] = Array.isArray(equalities) ? equalities : [[], equalities];
  for (const path of roots as string[]) link(whole, keys(path), whole);
  for (const [path, same] of Object.entries((others ?? {}) as Record<string, string[]>)) {
    const target = keys(path);
    const value = walk(whole, target);
    for (const other of same) link(whole, keys(other), value);
  }
  return whole;
}

/** Follows a path through restored values: a Map's has row and 0 or 1, a Set's the number of the item. */
function walk(value: unknown, path: Path): unknown {
  let at = value;
  for (let i = 0; i < path.length; i++) {
    const key = path[i] as string;
    if (at instanceof Map) at = own([...at][Number(key)], path[++i] ?? "");
    else if (at instanceof Set) at = [...at][Number(key)];
    else at = own(at, key);
  }
  return at;
}

function link(whole: unknown, path: Path, value: unknown): void {
  const at = walk(whole, path.slice(0, -1));
  const key = path.at(-1) ?? "";
  const map = walk(whole, path.slice(0, -2));
  if (path.length > 1 && map instanceof Map) {
    const rows = [...map].map((row) => [...row] as [unknown, unknown]);
    const row = rows[Number(path.at(-2))];
    if (row) row[key === "0" ? 0 : 1] = value;
    map.clear();
    for (const [name, item] of rows) map.set(name, item);
  } else if (at instanceof Set) {
    const items = [...at];
    items[Number(key)] = value;
    at.clear();
    for (const item of items) at.add(item);
  } else if (typeof at === "object" && at !== null) set(at, key, value);
}

const own = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;

/** An assignment to `__proto__` would change the prototype. */
function set(parent: object, key: string, value: unknown): void {
  Object.defineProperty(parent, key, { value, writable: true, enumerable: true, configurable: true });
}

/**
 * Keys are joined by dots. A dot or a backslash in a key has a backslash before it; in old text only a dot.
 */
function keysOf(path: string, isLegacy: boolean): Path {
  const keys = [""];
  for (let i = 0; i < path.length; i++) {
    const next = path[i + 1];
    const isEscape = path[i] === "\\" && (next === "." || (next === "\\" && !isLegacy));
    if (path[i] === ".") keys.push("");
    else keys[keys.length - 1] = `${keys.at(-1)}${path[isEscape ? ++i : i]}`;
  }
  return keys;
}
