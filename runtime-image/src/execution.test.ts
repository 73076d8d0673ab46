import { describe, expect, it } from "vitest";
import { isFollowed } from "./execution.ts";
import { Failure } from "./failure.ts";

describe("isFollowed", () => {
  const environment = (attempt: number, run: object) =>
    ({ attempt, ctx: { run } }) as unknown as Parameters<typeof isFollowed>[0];
  const failure = (retryable: boolean) => new Failure("PROCESS_EXIT", "", { retryable });

  it.each([
    [1, { maxAttempts: 3 }, true, true],
    [3, { maxAttempts: 3 }, true, false],
    [3, { maxAttempts: 3, infrastructureRetries: 1 }, true, true],
    [1, { maxAttempts: 3 }, false, false],
    [1, {}, true, false],
  ])("attempt %i of %o, retryable %s: %s", (attempt, run, retryable, expected) => {
    expect(isFollowed(environment(attempt, run), failure(retryable))).toBe(expected);
  });
});
