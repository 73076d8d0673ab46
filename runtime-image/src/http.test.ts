import { describe, expect, it } from "vitest";
import { AnswerTooLarge, expectSuccess, Refused, retrying } from "./http.ts";

const answer = (status: number) => ({ status, body: Buffer.from("why") });

describe("expectSuccess", () => {
  it.each([200, 204])("expectSuccess takes %i", (status) =>
    expect(expectSuccess("GET", answer(status)).status).toBe(status),
  );
  it.each([400, 401, 403, 404, 409, 413, 301])("expectSuccess takes %i as final", (status) => {
    expect(() => expectSuccess("GET", answer(status))).toThrow(Refused);
  });
  it.each([408, 429, 500, 503])("expectSuccess takes %i as passing", (status) => {
    expect(() => expectSuccess("GET", answer(status))).toThrow(`GET: HTTP ${status} why`);
    expect(() => expectSuccess("GET", answer(status))).not.toThrow(Refused);
  });
});

describe("retrying", () => {
  const failing = (error: Error) => {
    const tries: number[] = [];
    const work = async (timeoutMs: number): Promise<never> => {
      tries.push(timeoutMs);
      throw error;
    };
    return { tries, work };
  };

  it("retrying repeats with growing pauses until the budget is used up", async () => {
    const { tries, work } = failing(new Error("down"));
    const began = performance.now();
    await expect(retrying({ budgetMs: 1000, tryMs: 400 }, work)).rejects.toThrow("down");
    expect(performance.now() - began).toBeLessThanOrEqual(1000);
    expect(tries.length).toBeGreaterThanOrEqual(3);
    expect(tries.length).toBeLessThanOrEqual(6);
    expect(Math.max(...tries)).toBeLessThanOrEqual(400);
  });

  it.each([new Refused(409, "stale"), new AnswerTooLarge("large")])(
    "does not repeat after %o",
    async (error) => {
      const { tries, work } = failing(error);
      await expect(retrying({ budgetMs: 1000, tryMs: 400 }, work)).rejects.toBe(error);
      expect(tries).toHaveLength(1);
    },
  );
});
