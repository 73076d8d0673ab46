/**
 * Thrown by a task to fail its run for good: no attempt follows, whatever the retry settings say.
 * Name and meaning are Trigger.dev's.
 */
export class AbortTaskRunError extends Error {
  /** How the runner recognises it; a bundle may hold several copies of this class. */
  override readonly name = "AbortTaskRunError";
}
