/**
 * JSON whose numbers keep their text: 3544790567247868102, 1.0 and 1e400 are printed and sent as they came. A
 * number that JavaScript would change is an object that only JSON.stringify knows; the others are numbers.
 * (Node 20 has no such objects: there all are numbers.)
 */
interface RawJson {
  rawJSON?(text: string): unknown;
}

const { rawJSON } = JSON as unknown as RawJson;

/** Throws SyntaxError. */
export function parseExact(text: string): unknown {
  const reviver = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    rawJSON && typeof value === "number" && context?.source !== undefined && String(value) !== context.source
      ? rawJSON(context.source)
      : value;
  return JSON.parse(text, reviver as Parameters<typeof JSON.parse>[1]);
}
