/**
 * Cron expressions in an IANA time zone: which moments they name. When clocks change:
 *
 *   - an expression whose hour is `*` follows the elapsed time: it has each moment at which the clock shows
 *     one of its minutes;
 *   - any other names times of the day, and has each of them once: the first time, if the day has it twice;
 *     at the first moment after the gap, if the clock skips it. What falls together so is one tick.
 *
 * Ticks rise strictly, and do not depend on the moment from which they are asked for.
 */
import { type Expression, ExpressionProblem, parseExpression } from "./expression.ts";
import { nextWallTime } from "./wallTimes.ts";
import { isTimezone, Zone } from "./zone.ts";

export class CronProblem extends Error {
  override readonly name = "CronProblem";
  readonly reason: "InvalidCron" | "UnknownTimezone";
  constructor(reason: CronProblem["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

const shown = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

export class CronExpression {
  readonly #expression: Expression;
  readonly #zone: Zone;
  readonly #isEveryHour: boolean;

  /** Throws CronProblem, which names the field of the spec. */
  constructor(text: string, timezone = "UTC") {
    if (!isTimezone(timezone)) {
      throw new CronProblem(
        "UnknownTimezone",
        `spec.timezone: "${shown(timezone)}" is not a valid IANA time zone (for example Europe/Berlin or UTC)`,
      );
    }
    try {
      this.#expression = parseExpression(text);
    } catch (error) {
      if (!(error instanceof ExpressionProblem)) throw error;
      throw new CronProblem(
        "InvalidCron",
        `spec.cron: "${shown(text)}" is not a valid cron expression: ${error.message}`,
      );
    }
    if (nextWallTime(this.#expression, 0) === undefined) {
      throw new CronProblem("InvalidCron", `spec.cron: "${text}" never matches: give a date that exists`);
    }
    this.#zone = new Zone(timezone);
    this.#isEveryHour = this.#expression.hours.length === 24;
  }

  /** The ticks after `fromMs` up to `toMs`, that one included, at most `limit`. */
  between(fromMs: number, toMs: number, limit: number): number[] {
    const ticks: number[] = [];
    for (let next = this.#next(fromMs); next !== undefined && next <= toMs && ticks.length < limit; ) {
      ticks.push(next);
      next = this.#next(next);
    }
    return ticks;
  }

  /** The next `count` ticks after a moment, in milliseconds since the epoch. */
  after(ms: number, count: number): number[] {
    return this.between(ms, Number.POSITIVE_INFINITY, count);
  }

  #next(ms: number): number | undefined {
    const now = this.#zone.wallOf(ms);
    // Later wall times have later moments; but before clocks go back, those of the last hour come again.
    let wall = now - (this.#isEveryHour ? this.#zone.backSoonAfter(ms) : 0);
    let repeated: number | undefined;
    for (;;) {
      const next = nextWallTime(this.#expression, wall);
      if (next === undefined) return repeated;
      const moment = this.#momentsOf(next).find((one) => one > ms);
      if (next > now && moment !== undefined) return Math.min(moment, repeated ?? moment);
      repeated ??= moment;
      wall = next;
    }
  }

  /** The ticks of a wall time. */
  #momentsOf(wall: number): number[] {
    const moments = this.#zone.momentsOf(wall);
    if (this.#isEveryHour) return moments;
    return [moments[0] ?? this.#zone.endOfGap(wall)];
  }
}
