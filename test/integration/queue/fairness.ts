/**
 * Checks that no admissible lane sees another one admitted twice before its own turn; but for lanes that are
 * ahead, with a run that resumes.
 */
import { expect } from "vitest";

export class Fairness {
  /** For each lane that waits for its turn, how often each other lane has been admitted since. */
  readonly #seen = new Map<string, Map<string, number>>();

  granted(
    grants: { lane: string; isAhead: boolean }[],
    eligibleBefore: string[],
    eligibleAfter: (lane: string) => boolean,
  ): void {
    for (const lane of this.#seen.keys()) if (!eligibleBefore.includes(lane)) this.#seen.delete(lane);
    for (const lane of eligibleBefore) if (!this.#seen.has(lane)) this.#seen.set(lane, new Map());
    for (const { lane, isAhead } of grants) {
      this.#seen.delete(lane);
      for (const [waiting, seen] of isAhead ? [] : this.#seen) {
        const times = (seen.get(lane) ?? 0) + 1;
        expect(times, `${lane} before ${waiting}`).toBeLessThanOrEqual(1);
        seen.set(lane, times);
      }
      if (eligibleAfter(lane)) this.#seen.set(lane, new Map());
    }
    for (const lane of this.#seen.keys()) if (!eligibleAfter(lane)) this.#seen.delete(lane);
  }
}
