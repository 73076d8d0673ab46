/**
 * Durations and dates as options write them. A text of any other form is none: what is almost a duration, or
 * a date that could be read in two ways, must not become some other time.
 */

const durationPattern = /^(\d+(w|d|hr|h|m|s))+$/;
const maxLength = 100;
const units: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, hr: 3_600, h: 3_600, m: 60, s: 1 };

/** `10s`, `1h30m`, `2d`: Trigger.dev's form. In seconds; undefined for a text that is not a duration. */
export function parseDuration(text: string): number | undefined {
  if (text.length > maxLength || !durationPattern.test(text)) return undefined;
  let seconds = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(w|d|hr|h|m|s)/g))
    seconds += Number(count) * (units[unit ?? ""] ?? 0);
  return Number.isSafeInteger(seconds) ? seconds : undefined;
}

const datePattern =
  /^(\d{4}-\d{2}-\d{2})T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339 with a time zone, seconds optional. In milliseconds since the epoch; undefined if it is none. */
export function parseDate(text: string): number | undefined {
  const [, day] = datePattern.exec(text) ?? [];
  if (day === undefined) return undefined;
  const midnight = Date.parse(`${day}T00:00:00Z`);
  // Date reads 30 February as 2 March.
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return undefined;
  return Date.parse(text);
}

/** When a delay ends, in milliseconds since the epoch; undefined for what is neither duration nor date. */
export function parseDelay(text: string, nowMs: number): number | undefined {
  const seconds = parseDuration(text);
  return seconds === undefined ? parseDate(text) : nowMs + seconds * 1000;
}

/** What would be right, for messages. */
export const delayRule =
  "a duration (for example 1h30m), or a date with its time zone up to the year 9999 (for example 2030-12-24T18:00:00Z)";
