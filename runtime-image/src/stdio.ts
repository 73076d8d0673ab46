/**
 * The task's lines go to the container's stdout and stderr unchanged. In Node, writing to a pipe is
 * asynchronous: lines that are not written yet are lost when the process exits, and many lines at once fill
 * the memory.
 */

const flushLimitMs = 5000;

/**
 * Makes writing wait for the reader, as in other languages; the call is libuv's and not documented by Node.
 * A reader that closes the pipe loses the lines; the run goes on.
 */
export function prepareOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    (stream as { _handle?: { setBlocking?: (on: boolean) => void } })._handle?.setBlocking?.(true);
    stream.on("error", () => {});
  }
}

/** Waits until everything is written; for streams that cannot block. */
export async function flushOutput(): Promise<void> {
  const limit = new Promise<void>((resolve) => setTimeout(resolve, flushLimitMs));
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.writableLength > 0) {
      await Promise.race([new Promise<void>((resolve) => stream.write("", () => resolve())), limit]);
    }
  }
}

/** A line of the runner's own, on stderr among the task's. */
export function warn(...parts: unknown[]): void {
  console.error("fairlead:", ...parts);
}
