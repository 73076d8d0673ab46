/**
 * Whether JSON can express a value. One that it cannot goes as superjson; the same rule for payloads and
 * outputs.
 */

const maxDepth = 1_000;

/**
 * True for null, booleans, strings, finite numbers, and arrays and plain objects of these. False for values
 * that JSON would change (undefined, Date, Map, BigInt, -0, class instances, symbols as keys) and for those
 * that refer back to themselves.
 */
export function isPlainJson(value: unknown, above: Set<object> = new Set()): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== "object" || above.size > maxDepth || above.has(value)) return false;
  const isArray = Array.isArray(value);
  const prototype = Object.getPrototypeOf(value);
  if (!isArray && prototype !== Object.prototype && prototype !== null) return false;
  above.add(value);
  // By index, since a hole in an array counts as undefined.
  let isPlain = true;
  if (isArray) for (let i = 0; isPlain && i < value.length; i++) isPlain = isPlainJson(value[i], above);
  else if (Object.getOwnPropertySymbols(value).length > 0) isPlain = false;
  else isPlain = Object.values(value).every((item) => isPlainJson(item, above));
  above.delete(value);
  return isPlain;
}
