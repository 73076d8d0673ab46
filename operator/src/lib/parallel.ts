/**
 * At most `atOnce` tasks at a time, over a source that is read no faster than they are done.
 *
 * Ends with the source, with the first failure, or when `mayStart`, asked once before each task, says no. A
 * failure is thrown when every task that had begun has ended: nothing runs on behind the caller's back.
 */
export async function inParallel<T>(
  source: AsyncIterator<T> | Iterator<T>,
  atOnce: number,
  task: (value: T) => Promise<void>,
  mayStart: () => boolean = () => true,
): Promise<void> {
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    try {
      while (failures.length === 0 && mayStart()) {
        const next = await source.next();
        if (next.done) return;
        await task(next.value);
      }
    } catch (error) {
      failures.push(error);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failures.length > 0) throw failures[0];
}
