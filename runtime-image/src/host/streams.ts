/**
 * The slot "realtime-streams". Nothing keeps streams yet: what a task pipes comes back to it unchanged, is
 * sent to nobody, and the log says so once.
 */

type Source<T> = AsyncIterable<T> | ReadableStream<T>;

export function streamsSlot(warn: (line: string) => void) {
  let said = false;
  const say = (key: string): void => {
    if (!said) warn(`the stream "${key}" is sent to nobody: streams of a run are not kept yet`);
    said = true;
  };
  return {
    pipe<T>(key: string, source: Source<T>): { wait: () => Promise<object>; stream: Source<T> } {
      say(key);
      return { wait: async () => ({}), stream: source };
    },
    async append(key: string): Promise<void> {
      say(key);
    },
  };
}
