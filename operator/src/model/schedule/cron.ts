/**
 * Cron expressions: five fields (or @hourly and the like) in an IANA time zone. Daylight saving, by croner:
 *
 *   - a time that a day does not have (clocks go forward) is moved to the first moment after the gap;
 *   - a time that a day has twice (clocks go back) counts once, the first time, if its hour is fixed; an
 *     expression that repeats every hour or every few minutes follows the elapsed time through both.
 */
import { Cron } from "croner";

export class CronProblem extends Error {
  override readonly name = "CronProblem";
  readonly reason: "InvalidCron" | "UnknownTimezone";
  constructor(reason: CronProblem["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

const shorthands = /^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$/;

export class CronExpression {
  readonly #cron: Cron;

  /** Throws CronProblem, which names the field of the spec. */
  constructor(expression: string, timezone = "UTC") {
    checkTimezone(timezone);
    const fields = expression.trim().split(/\s+/).length;
    if (fields !== 5 && !shorthands.test(expression.trim())) {
      throw new CronProblem(
        "InvalidCron",
        `spec.cron: "${expression}" has ${fields} ${fields === 1 ? "field" : "fields"}; give five: minute, hour, day of month, month, day of week`,
      );
    }
    try {
      this.#cron = new Cron(expression.trim(), { timezone, paused: true, mode: "5-part" });
    } catch (error) {
      const why = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
      throw new CronProblem(
        "InvalidCron",
        `spec.cron: "${expression}" is not a valid cron expression: ${why}`,
      );
    }
    if (!this.#cron.nextRun(new Date(0))) {
      throw new CronProblem(
        "InvalidCron",
        `spec.cron: "${expression}" never matches: give a date that exists`,
      );
    }
  }

  /** The ticks after `fromMs` up to `toMs`, that one included, at most `limit`. */
  between(fromMs: number, toMs: number, limit: number): number[] {
    const ticks: number[] = [];
    for (let [next] = this.after(fromMs, 1); next !== undefined && next <= toMs && ticks.length < limit; ) {
      ticks.push(next);
      [next] = this.after(next, 1);
    }
    return ticks;
  }

  /** The next `count` ticks after a moment, in milliseconds since the epoch. */
  after(ms: number, count: number): number[] {
    return this.#cron.nextRuns(count, new Date(ms)).map((date) => date.getTime());
  }
}

function checkTimezone(timezone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch {
    throw new CronProblem(
      "UnknownTimezone",
      `spec.timezone: "${timezone}" is not a valid IANA time zone (for example Europe/Berlin or UTC)`,
    );
  }
}
