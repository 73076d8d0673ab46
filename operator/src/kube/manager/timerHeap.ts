/** Keys with the time at which each is due: a binary heap, at most one time a key, the earliest one. Pure. */

interface Timer {
  key: string;
  at: number;
}

export class TimerHeap {
  readonly #heap: Timer[] = [];
  readonly #places = new Map<string, number>();

  get size(): number {
    return this.#heap.length;
  }

  /** When the next key is due. */
  get nextAt(): number | undefined {
    return this.#heap[0]?.at;
  }

  /** Keeps the earlier one when the key has a time already. */
  set(key: string, at: number): void {
    const place = this.#places.get(key);
    if (place === undefined) {
      this.#heap.push({ key, at });
      this.#rise(this.#heap.length - 1);
    } else if (at < this.#at(place).at) {
      this.#at(place).at = at;
      this.#rise(place);
    }
  }

  delete(key: string): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    const last = this.#heap.pop() as Timer;
    this.#places.delete(key);
    if (last.key === key) return;
    this.#put(place, last);
    this.#rise(place);
    this.#sink(place);
  }

  /** Removes and returns the next key that is due at `now`. */
  takeDue(now: number): string | undefined {
    const next = this.#heap[0];
    if (!next || next.at > now) return undefined;
    this.delete(next.key);
    return next.key;
  }

  #rise(from: number): void {
    let place = from;
    const timer = this.#at(place);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.#at(parent).at <= timer.at) break;
      this.#put(place, this.#at(parent));
      place = parent;
    }
    this.#put(place, timer);
  }

  #sink(from: number): void {
    let place = from;
    const timer = this.#at(place);
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#at(child + 1).at < this.#at(child).at) child += 1;
      if (this.#at(child).at >= timer.at) break;
      this.#put(place, this.#at(child));
      place = child;
    }
    this.#put(place, timer);
  }

  #at(place: number): Timer {
    return this.#heap[place] as Timer;
  }

  #put(place: number, timer: Timer): void {
    this.#heap[place] = timer;
    this.#places.set(timer.key, place);
  }
}
