/** A bounded number of tasks at once. */

/**
 * Takes from `source` until it ends, a task fails or `mayStart` says no; it is asked once before each task. The first
 * failure is returned, not thrown, when all that was begun has ended.
 */
export async function inParallel<T>(
  source: AsyncIterator<T> | Iterator<T>,
  atOnce: number,
  task: (value: T) => Promise<void>,
  mayStart: () => boolean = () => true,
): Promise<unknown> {
  let failed = false;
  let failure: unknown;
  const worker = async (): Promise<void> => {
    try {
      while (!failed && mayStart()) {
        const next = await source.next();
        if (next.done) return;
        await task(next.value);
      }
    } catch (error) {
      if (!failed) failure = error;
      failed = true;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return failure;
}
