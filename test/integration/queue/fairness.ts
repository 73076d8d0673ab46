/** No line that could have been admitted sees another one admitted twice before it has its turn. */
import { expect } from "vitest";

export class Fairness {
  /** For each line that waits for its turn, how often each other one had one since. */
  readonly #seen = new Map<string, Map<string, number>>();

  granted(lines: string[], eligibleBefore: string[], eligibleAfter: (line: string) => boolean): void {
    for (const line of this.#seen.keys()) if (!eligibleBefore.includes(line)) this.#seen.delete(line);
    for (const line of eligibleBefore) if (!this.#seen.has(line)) this.#seen.set(line, new Map());
    for (const line of lines) {
      this.#seen.delete(line);
      for (const [waiting, seen] of this.#seen) {
        const times = (seen.get(line) ?? 0) + 1;
        expect(times, `${line} before ${waiting}`).toBeLessThanOrEqual(1);
        seen.set(line, times);
      }
      if (eligibleAfter(line)) this.#seen.set(line, new Map());
    }
    for (const line of this.#seen.keys()) if (!eligibleAfter(line)) this.#seen.delete(line);
  }
}
