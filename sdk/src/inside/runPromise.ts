/** A promise with `unwrap()`, as Trigger.dev's. Imports no client: every task's module loads it. */
import { SubtaskUnwrapError } from "../errors.ts";
import type { RunResult } from "../types.ts";

/** A promise of how a run ended; `unwrap()` is the output, or throws. */
class RunPromise<TOutput> extends Promise<RunResult<TOutput>> {
  static override readonly [Symbol.species] = Promise;

  /** The output; throws SubtaskUnwrapError when the run did not complete. */
  async unwrap(): Promise<TOutput> {
    const result = await this;
    if (result.ok) return result.output;
    throw new SubtaskUnwrapError(result.taskIdentifier, result.id, result.error);
  }
}

export const runPromise = <TOutput>(work: () => Promise<RunResult<TOutput>>): RunPromise<TOutput> =>
  new RunPromise((resolve, reject) => void work().then(resolve, reject));
