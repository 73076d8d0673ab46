/** The errors of the SDK's own. Those that an answer of the API becomes are in client/apiError.ts. */

/**
 * Thrown by a task to fail its run for good: no attempt follows, whatever the retry settings say.
 * Name and meaning are Trigger.dev's.
 */
export class AbortTaskRunError extends Error {
  /** How the runner recognises it; a bundle may hold several copies of this class. */
  override readonly name = "AbortTaskRunError";
}

/** Thrown by a task that knows of a lack of memory which Node does not: as if it had been killed for it. */
export class OutOfMemoryError extends Error {
  override readonly name = "OutOfMemoryError";

  constructor(message = "The task is out of memory.") {
    super(message);
  }
}

/** `unwrap()` of a run that did not complete; `cause` is its error. */
export class SubtaskUnwrapError extends Error {
  override readonly name = "SubtaskUnwrapError";
  readonly taskId: string;
  readonly runId: string;

  constructor(taskId: string, runId: string, cause: unknown) {
    super(`Error in ${taskId}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.taskId = taskId;
    this.runId = runId;
  }
}

/** A token's time ran out before anybody completed it. */
export class WaitpointTimeoutError extends Error {
  override readonly name = "WaitpointTimeoutError";
}

/**
 * An argument cannot be right, whatever the API would say; nothing was sent. The message names it, says what
 * is wrong with it and what would be right. A TypeError, as the platform throws for a bad argument (`new
 * URL("x")`).
 */
export class InvalidOptionError extends TypeError {
  override readonly name = "InvalidOptionError";
  /** Which one: `ttl`, `items[3].payload`. */
  readonly option: string;

  constructor(option: string, problem: string) {
    super(`${option}: ${problem}`);
    this.option = option;
  }
}

/** No call can be made before this setting is there; the message says where to set it. */
export class MissingSettingError extends Error {
  override readonly name = "MissingSettingError";
}
