/** Durations as Trigger.dev's options write them: `10m`, `1h30m`, `2d`; a delay may also be a date. Pure. */
import { durationPattern } from "@fairlead/protocol/durations";

const units: Record<string, number> = { w: 604_800, d: 86_400, hr: 3_600, h: 3_600, m: 60, s: 1 };
const maxLength = 100;

/** In seconds; undefined for a text that is not a duration. */
export function parseDuration(text: string): number | undefined {
  if (text.length > maxLength || !durationPattern.test(text)) return undefined;
  let seconds = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(w|d|hr|h|m|s)/g))
    seconds += Number(count) * (units[unit ?? ""] ?? 0);
  return Number.isSafeInteger(seconds) ? seconds : undefined;
}

/**
 * When a delay ends, in milliseconds since the epoch; undefined for a text that is neither date nor duration.
 */
export function parseDelay(text: string, nowMs: number): number | undefined {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return nowMs + seconds * 1000;
  // Date would read a bare number as a year.
  if (/^\d+$/.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : date;
}

/** `90` → `1m30s`. */
export function formatDuration(seconds: number): string {
  let rest = seconds;
  let text = "";
  for (const unit of ["d", "h", "m", "s"]) {
    const size = units[unit] ?? 1;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text || "0s";
}
