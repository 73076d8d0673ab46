/** Durations as responses show them. Pure. */
const units = { d: 86_400, h: 3_600, m: 60, s: 1 };

/** `90` → `1m30s`. */
export function formatDuration(seconds: number): string {
  let rest = seconds;
  let text = "";
  for (const [unit, size] of Object.entries(units)) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text || "0s";
}
