/**
 * A value cut to what its schema allows: texts and lists to their bounds, text that is no time left out. What
 * a kubelet, a node or a program says has any length, and a status that the API server refuses would never be
 * written. Pure.
 *
 * Only text that explains may be cut. What is referred to later (keys, uids) is bounded where it is made.
 */
import type { z } from "zod";

/** The part of a schema's definition that is needed. */
interface Def {
  type: string;
  format?: string;
  innerType?: z.ZodType;
  element?: z.ZodType;
  shape?: Record<string, z.ZodType>;
}

export function fit<T>(schema: z.ZodType, value: T): T {
  return fitted(schema, value) as T;
}

/** Undefined when nothing of the value can stay. */
function fitted(schema: z.ZodType, value: unknown): unknown {
  const { type, format, innerType, element, shape } = schema.def as unknown as Def;
  if (value === undefined || value === null) return undefined;
  if (type === "optional" && innerType) return fitted(innerType, value);
  if (type === "string") {
    if (typeof value !== "string") return undefined;
    if (format === "datetime") return schema.safeParse(value).success ? value : undefined;
    return cutText(value, boundOf(schema));
  }
  if (type === "number") return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
  if (type === "array" && element && Array.isArray(value)) {
    const items = value.map((item) => fitted(element, item)).filter((item) => item !== undefined);
    return items.slice(-boundOf(schema));
  }
  if (type === "object" && shape && typeof value === "object") {
    const fields = Object.entries(value).map(([name, field]): [string, unknown] => {
      const known = shape[name];
      return [name, known ? fitted(known, field) : field];
    });
    return Object.fromEntries(fields.filter(([, field]) => field !== undefined));
  }
  return value;
}

/** Characters of a text, items of a list. */
function boundOf(schema: z.ZodType): number {
  const checks = (schema.def.checks ?? []).map((check) => check._zod.def as { maximum?: number });
  return Math.min(...checks.map(({ maximum = Number.POSITIVE_INFINITY }) => maximum));
}

/** At most `max` UTF-16 units, with an ellipsis where something is missing, and no half of a character. */
export function cutText(text: string, max: number): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  if (whole.length <= max) return whole;
  const kept = whole.slice(0, Math.max(0, max - 3));
  return `${kept.isWellFormed() ? kept : kept.slice(0, -1)}...`;
}
