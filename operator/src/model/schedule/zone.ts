/**
 * Between moments and what a clock on the wall shows in a time zone. Pure. A wall time is written as the
 * milliseconds that it would be in UTC.
 */

const dayMs = 86_400_000;
const secondMs = 1_000;
const rememberedDays = 100;
const longestRepeatMs = 3 * 3_600_000;
/** Abbreviations that Node takes for some zone of its own choice; none of them is an IANA name. */
const abbreviations: ReadonlySet<string> = new Set(
  "ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST".split(
    " ",
  ),
);

/** An IANA time zone, an alias of one, in any case; no abbreviation, which means another one elsewhere. */
export function isTimezone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(name)) return false;
  if (abbreviations.has(name.toUpperCase())) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The offsets around a day: `before` holds until the clocks change, `after` from then on. */
interface Change {
  before: number;
  after: number;
  at: number;
}

export class Zone {
  readonly #format: Intl.DateTimeFormat | undefined;
  /** By day. */
  readonly #changes = new Map<number, Change>();

  constructor(name: string) {
    if (/^(Etc\/)?UTC$/i.test(name)) return;
    const date = { year: "numeric", month: "numeric", day: "numeric" } as const;
    const time = { hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" } as const;
    this.#format = new Intl.DateTimeFormat("en-US", { timeZone: name, ...date, ...time });
  }

  /** What the clock shows at a moment. */
  wallOf(ms: number): number {
    return ms + this.#offset(ms);
  }

  /** The moments at which the clock shows it: two when clocks go back over it, none when they skip it. */
  momentsOf(wall: number): number[] {
    const { before, after, at } = this.#around(wall);
    const moments: number[] = [];
    if (wall - before < at) moments.push(wall - before);
    if (wall - after >= at) moments.push(wall - after);
    return moments;
  }

  /** The first moment after clocks skipped a wall time. */
  endOfGap(wall: number): number {
    return this.#around(wall).at;
  }

  /** By how much clocks go back within three hours after a moment; no zone goes back further than that. */
  backSoonAfter(ms: number): number {
    return Math.max(0, this.#offset(ms) - this.#offset(ms + longestRepeatMs));
  }

  #offset(ms: number): number {
    const { before, after, at } = this.#around(ms);
    return ms < at ? before : after;
  }

  /** Of the day of a moment or wall time, and its neighbours. Clocks do not change twice in that time. */
  #around(ms: number): Change {
    const day = Math.floor(ms / dayMs);
    let change = this.#changes.get(day);
    if (!change) {
      change = this.#find((day - 1) * dayMs, (day + 2) * dayMs);
      if (this.#changes.size >= rememberedDays) this.#changes.clear();
      this.#changes.set(day, change);
    }
    return change;
  }

  #find(fromMs: number, toMs: number): Change {
    const [before, after] = [this.#read(fromMs), this.#read(toMs)];
    if (before === after) return { before, after, at: Number.NEGATIVE_INFINITY };
    let [low, high] = [fromMs, toMs];
    while (high - low > secondMs) {
      const middle = low + Math.floor((high - low) / 2 / secondMs) * secondMs;
      if (this.#read(middle) === before) low = middle;
      else high = middle;
    }
    return { before, after, at: high };
  }

  #read(ms: number): number {
    if (!this.#format) return 0;
    const parts: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(ms)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - ms;
  }
}
