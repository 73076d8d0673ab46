/**
 * Checks of what a caller gives: TypeScript has made them already, plain JavaScript has not. A wrong argument
 * is named, with what would be right, before anything is sent.
 */
import { InvalidOptionError } from "./errors.ts";

/** What is wrong with a value and what would be right; undefined when it is right. */
export type Check = (value: unknown) => string | undefined;

/**
 * Checks each option that is given (one that is undefined is not), and refuses those that the table lacks.
 * `where` comes before their names.
 */
export function checkOptions(given: unknown, table: Record<string, Check>, where = ""): void {
  if (given === undefined) return;
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new InvalidOptionError(where || "options", `${shown(given)} is given; it must be an object`);
  const prefix = where && `${where}.`;
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(table, name) ? table[name] : unknown(name, Object.keys(table));
    const problem = check?.(value);
    if (problem !== undefined) throw new InvalidOptionError(prefix + name, problem);
  }
}

const unknown =
  (name: string, known: readonly string[]): Check =>
  () => {
    const near = nearest(name, known);
    return `is not an option; ${near ? `did you mean ${near}?` : `there are ${known.join(", ")}`}`;
  };

/** For values that are checked elsewhere, or may be anything. */
export const anything: Check = () => undefined;

const check =
  (isRight: (value: unknown) => boolean, right: string): Check =>
  (value) =>
    isRight(value) ? undefined : `${shown(value)} is given; it must be ${right}`;

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

export const text: Check = check(isText, "text");
export const texts: Check = check(
  (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
  "text or a list of texts",
);
export const truth: Check = check((value) => typeof value === "boolean", "true or false");
export const number: Check = check(isNumber, "a number");
export const wholeNumber = (least: number, most = Number.POSITIVE_INFINITY): Check =>
  check(
    (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
    `a whole number from ${least}${most === Number.POSITIVE_INFINITY ? "" : ` to ${most}`}`,
  );
export const date: Check = check(isDate, "a Date");
export const duration: Check = check(isText, "a duration, such as 10m");
export const durationOrDate: Check = check(
  (value) => isText(value) || isDate(value),
  "a duration with its unit, such as 5s, or a Date",
);
function isDate(value: unknown): boolean {
  return value instanceof Date && !Number.isNaN(value.getTime());
}

/** One of these words. */
export const oneOf =
  (...words: readonly string[]): Check =>
  (value) => {
    if (typeof value === "string" && words.includes(value)) return undefined;
    const near = typeof value === "string" && nearest(value, words);
    return `${shown(value)} is given; it must be one of ${words.join(", ")}${near ? `: did you mean ${near}?` : ""}`;
  };

/** One value, or a list of them. */
export const oneOrMore =
  (each: Check): Check =>
  (value) => {
    for (const item of Array.isArray(value) ? value : [value]) {
      const problem = each(item);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };

/** A wrong value, in a few words. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (value instanceof Date) return "an invalid Date";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}

/** The word that was probably meant. */
function nearest(word: string, words: readonly string[]): string | undefined {
  const most = Math.min(2, Math.floor(word.length / 2));
  const near = words.map((other) => [distance(word.toLowerCase(), other.toLowerCase()), other] as const);
  return near.sort(([a], [b]) => a - b).find(([edits]) => edits <= most)?.[1];
}

/** Edits that make one word of the other; two neighbours that changed places are one. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const edits = [at(row, j - 1) + 1, at(above, j) + 1, at(above, j - 1) + (same ? 0 : 1)];
      row.push(Math.min(...edits, ...(swapped ? [at(before, j - 2) + 1] : [])));
    }
    [before, above] = [above, row];
  }
  return at(above, b.length);
}

const at = (row: readonly number[], i: number): number => row[i] ?? Number.POSITIVE_INFINITY;
