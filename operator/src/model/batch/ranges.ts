/** Sets of item indexes as short text, for a status. */

/** `3,7-9` of [3, 7, 8, 9]; undefined for none. */
export function formatRanges(indexes: Iterable<number>): string | undefined {
  const ranges: [from: number, to: number][] = [];
  for (const index of [...new Set(indexes)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else ranges.push([index, index]);
  }
  const text = ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
  return text === "" ? undefined : text;
}

/** The indexes of `3,7-9`. */
export function parseRanges(text: string | undefined): number[] {
  if (!text) return [];
  return text.split(",").flatMap((range) => {
    const [from = 0, to = from] = range.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}
