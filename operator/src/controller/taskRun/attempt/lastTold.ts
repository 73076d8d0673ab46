/**
 * When the status last said why an attempt does not start. What keeps a pod from starting changes its words
 * all the time, for all pods that wait: the first words are written at once, others seldom. It is lost with
 * the process, and each attempt may then say it once more.
 */

/** More starts at once than a leader has; the oldest are forgotten. */
const remembered = 10_000;

export class LastTold {
  readonly #times = new Map<string, number>();

  /** In milliseconds since the epoch; undefined: not yet, as far as is known. */
  of(uid: string, attempt: number): number | undefined {
    return this.#times.get(`${uid}/${attempt}`);
  }

  note(uid: string, attempt: number, now: number): void {
    const key = `${uid}/${attempt}`;
    this.#times.delete(key);
    this.#times.set(key, now);
    if (this.#times.size <= remembered) return;
    const [oldest] = this.#times.keys();
    if (oldest !== undefined) this.#times.delete(oldest);
  }
}
