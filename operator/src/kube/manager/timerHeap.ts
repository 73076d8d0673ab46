/**
 * Keys with the time at which each is due: a binary heap with at most one time for each key, the earliest.
 * Pure.
 */

interface Timer {
  key: string;
  at: number;
}

export class TimerHeap {
  readonly #heap: Timer[] = [];
  readonly #positions = new Map<string, number>();

  get size(): number {
    return this.#heap.length;
  }

  /** When the next key is due. */
  get nextAt(): number | undefined {
    return this.#heap[0]?.at;
  }

  /** Keeps the earlier one when the key has a time already. */
  set(key: string, at: number): void {
    const position = this.#positions.get(key);
    if (position === undefined) {
      this.#heap.push({ key, at });
      this.#rise(this.#heap.length - 1);
    } else if (at < this.#at(position).at) {
      this.#at(position).at = at;
      this.#rise(position);
    }
  }

  delete(key: string): void {
    const position = this.#positions.get(key);
    if (position === undefined) return;
    const last = this.#heap.pop() as Timer;
    this.#positions.delete(key);
    if (last.key === key) return;
    this.#put(position, last);
    this.#rise(position);
    this.#sink(position);
  }

  /** Removes and returns the next key that is due at `now`. */
  takeDue(now: number): string | undefined {
    const next = this.#heap[0];
    if (!next || next.at > now) return undefined;
    this.delete(next.key);
    return next.key;
  }

  #rise(from: number): void {
    let position = from;
    const timer = this.#at(position);
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if (this.#at(parent).at <= timer.at) break;
      this.#put(position, this.#at(parent));
      position = parent;
    }
    this.#put(position, timer);
  }

  #sink(from: number): void {
    let position = from;
    const timer = this.#at(position);
    for (;;) {
      let child = 2 * position + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#at(child + 1).at < this.#at(child).at) child += 1;
      if (this.#at(child).at >= timer.at) break;
      this.#put(position, this.#at(child));
      position = child;
    }
    this.#put(position, timer);
  }

  #at(position: number): Timer {
    return this.#heap[position] as Timer;
  }

  #put(position: number, timer: Timer): void {
    this.#heap[position] = timer;
    this.#positions.set(timer.key, position);
  }
}
