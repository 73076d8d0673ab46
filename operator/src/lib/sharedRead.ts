/**
 * Reads that many ask for at once, done together: one at a time for each key, for all questions that came up
 * to its begin. Who asks while one is under way gets the answer of the next: an answer is never older than
 * its question.
 */
type Read<T> = (key: string, questions: readonly string[]) => Promise<T>;

export class SharedRead<T> {
  readonly #read: Read<T>;
  /** By key: the end of the read that is under way, and the read that follows it. */
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #next = new Map<string, { questions: Set<string>; answer: Promise<T> }>();

  constructor(read: Read<T>) {
    this.#read = read;
  }

  get(key: string, question: string): Promise<T> {
    const waiting = this.#next.get(key);
    if (waiting) {
      waiting.questions.add(question);
      return waiting.answer;
    }
    const questions = new Set([question]);
    const answer = this.#start(key, questions);
    this.#next.set(key, { questions, answer });
    return answer;
  }

  async #start(key: string, questions: ReadonlySet<string>): Promise<T> {
    // At least to the end of this turn: those who ask in the same one share it.
    await (this.#running.get(key) ?? new Promise(setImmediate));
    this.#next.delete(key);
    const read = this.#read(key, [...questions]);
    const ended = read.then(
      () => undefined,
      () => undefined,
    );
    this.#running.set(key, ended);
    void ended.then(() => {
      if (this.#running.get(key) === ended) this.#running.delete(key);
    });
    return read;
  }
}
