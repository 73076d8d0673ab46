import { describe, expect, it } from "vitest";
import { Problem } from "../../http/problem.ts";
import { keyTtlOf, rescheduledTo } from "./times.ts";
import { debounceOf, specOf, triggerOptions } from "./triggerBody.ts";

const now = Date.UTC(2026, 0, 1);
const refusal = (act: () => unknown): Problem => {
  try {
    act();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("was not refused");
};
const refused = (options: object) =>
  refusal(() => {
    const given = triggerOptions.parse(options);
    debounceOf(given);
    specOf(given, now);
  });

describe("what is no time is refused with its field, what it is and what would be right", () => {
  const odd = ["60 ", " 60", "60", "1h30", "1 h", "-5m", "1.5h", "01/12/2026", "May 1", "2026-02-30", ""];
  const dates = ["2026-11-26", "2026-11-26T09:00:00", "2026-11-26 09:00Z", "2027-02-29T00:00:00Z"];

  it.each([...odd, ...dates, "+010000-01-01T00:00:00.000Z", "9000000000000s"])("a delay of %j", (delay) => {
    const { status, message } = refused({ delay });
    expect(status).toBe(422);
    expect(message).toContain(
      `options.delay: ${JSON.stringify(delay)} is not a duration (for example 1h30m)`,
    );
    expect(refusal(() => rescheduledTo(delay, now))).toMatchObject({
      status: 400,
      message: expect.stringMatching(/^delay: .* is not a duration/),
    });
  });

  it.each([5000, -5, 1.5, 0])("a delay of the number %d, which has no unit", (delay) =>
    expect(refused({ delay }).message).toMatch(/^options\.delay: .* has no unit; give a text such as "/),
  );

  it.each([...odd, ...dates, "2030-01-01T00:00:00Z", -1, 1.5, 40_000_000])("a ttl of %j", (ttl) =>
    expect(refused({ ttl }).message).toMatch(/^options\.ttl: .* is not a duration .*a date is not allowed$/),
  );

  it.each([...odd, ...dates, "0s", "1y", "24", "53w"])("a lifetime of a key of %j", (idempotencyKeyTTL) => {
    expect(refused({ idempotencyKey: "k", idempotencyKeyTTL }).message).toMatch(
      /^options\.idempotencyKeyTTL: .* is not a duration from a second to a year/,
    );
    expect(refusal(() => keyTtlOf(idempotencyKeyTTL, "idempotency-key-ttl")).message).toMatch(
      /^idempotency-key-ttl: /,
    );
  });

  it.each([...odd, ...dates, "0s", "2030-01-01T00:00:00Z"])(
    "a delay or limit of a debounce of %j",
    (text) => {
      expect(refused({ debounce: { key: "k", delay: text } }).message).toMatch(/^options\.debounce\.delay: /);
      expect(refused({ debounce: { key: "k", delay: "1s", maxDelay: text } }).message).toMatch(
        /^options\.debounce\.maxDelay: /,
      );
    },
  );

  it("a run is not moved into the past", () => {
    expect(refusal(() => rescheduledTo("2025-12-31T00:00:00Z", now))).toMatchObject({
      status: 400,
      message: 'delay: "2025-12-31T00:00:00Z" has passed; give a time in the future',
    });
    expect(rescheduledTo("1h", now)).toBe("2026-01-01T01:00:00.000Z");
  });
});
