/**
 * Catches what would end the process, or let it wait for ever, while user code is at work, and makes it an
 * error of the code that runs: the module's loading, `run`, or a hook.
 *
 *   uncaught exception, unhandled rejection   fail everything that is being watched
 *   nothing left to wait for                  the same: its promise can never settle
 *   process.exit()                            cannot be held up: `onExit` has to act at once, synchronously
 *
 * What happens while nothing is watched (the result is known, it is being reported) is logged and changes
 * nothing.
 */
import { Failure, failureOf, inspected } from "./failure.ts";
import { warn } from "./stdio.ts";

interface Watched {
  what: string;
  fail: (failure: Failure) => void;
}

export class Guard {
  readonly #watched = new Set<Watched>();

  /** `onExit` is called while the process exits; it returns the exit code. */
  constructor(onExit: (exitCode: number, during: string) => number) {
    process.on("uncaughtException", (error, origin) => {
      const code = origin === "unhandledRejection" ? "UNHANDLED_REJECTION" : "UNCAUGHT_EXCEPTION";
      if (this.#watched.size === 0) return warn(`${code} after the run ended, ignored:`, inspected(error));
      this.#failAll(() => failureOf(error, code));
    });
    process.on("beforeExit", () => {
      this.#failAll((what) => {
        const message = `${what} never settled: its promise is pending and nothing is left that could resolve it.`;
        return new Failure("PROCESS_EXIT", message, { retryable: true });
      });
    });
    process.on("exit", (exitCode) => {
      const during = [...this.#watched].map(({ what }) => what).join(", ") || "the report";
      process.exitCode = onExit(exitCode, during);
    });
  }

  /** Runs user code; rejects when it throws, or when one of the above happens meanwhile. */
  watch<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const watched = { what, fail: reject };
      this.#watched.add(watched);
      const settle = (then: () => void): void => {
        this.#watched.delete(watched);
        then();
      };
      new Promise<T>((start) => start(work())).then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      );
    });
  }

  #failAll(failure: (what: string) => Failure): void {
    const all = [...this.#watched];
    this.#watched.clear();
    for (const { what, fail } of all) fail(failure(what));
  }
}
