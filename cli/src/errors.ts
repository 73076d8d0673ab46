/**
 * Errors that a command ends with, and its exit code:
 *
 *   0    done
 *   1    it failed; the message says why and what to do
 *   2    the command line or a file that it names is wrong; nothing was sent
 *   3    the API cannot be reached, or does not know the key
 *   4    the run that the command waited for did not succeed
 *   130  interrupted
 */
export const exitCodes = { failed: 1, usage: 2, connection: 3, unsuccessful: 4, interrupted: 130 } as const;

/** What is wrong and what to do, with the exit code that tells scripts. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.failed, options?: { cause?: unknown }) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export const usageError = (message: string): CommandError => new CommandError(message, exitCodes.usage);

export const exitCodeOf = (error: unknown): number =>
  error instanceof CommandError ? error.exitCode : exitCodes.failed;
