/**
 * A payload or an output as text that reads back as what it was. Plain JSON is recognised here; the rest of
 * superJson/ is loaded only for other values.
 */
import { isPlainJson } from "./plainJson.ts";
import { TooLargeError } from "./superJson/errors.ts";

export { NotEncodableError, TooLargeError } from "./superJson/errors.ts";

export const jsonType = "application/json";
const superJsonType = "application/super+json";

export interface Serialized {
  text: string;
  /** What `text` is the JSON of. */
  json: unknown;
  type: typeof jsonType | typeof superJsonType;
}

/**
 * Undefined when the value is, or its toJSON() returns that. Throws NotEncodableError, with a path that
 * begins with `name`, or TooLargeError when it has certainly more than `maxBytes`.
 */
export async function serialize(
  value: unknown,
  name: string,
  maxBytes: number,
): Promise<Serialized | undefined> {
  if (value === undefined) return undefined;
  if (looksPlain(value)) return textOf(value, jsonType);
  const { encode } = await import("./superJson/encode.ts");
  const whole = encode(value, name, maxBytes);
  if (!whole.meta) return textOf(whole.json, jsonType);
  const { values } = whole.meta;
  if (Array.isArray(values) && values[0] === "undefined") return undefined;
  return textOf(whole, superJsonType);
}

/** A getter that throws is named by the encoder. */
function looksPlain(value: unknown): boolean {
  try {
    return isPlainJson(value);
  } catch {
    return false;
  }
}

function textOf(json: unknown, type: Serialized["type"]): Serialized {
  try {
    return { text: JSON.stringify(json), json, type };
  } catch (error) {
    if (error instanceof RangeError) throw new TooLargeError("more than 512 MB");
    throw error;
  }
}
