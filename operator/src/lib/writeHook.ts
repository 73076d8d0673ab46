/**
 * What a client of the API server or of the bucket calls before every write, and again after it succeeded;
 * `what` is like `create Job default/hello-1`. What it throws goes to the caller of the write: before, then
 * nothing was sent.
 */
export type WriteHook = (moment: "before" | "after", what: string) => void;

/** Sends between the two calls of the hook. */
export async function withHook<R>(
  hook: WriteHook | undefined,
  what: string,
  send: () => Promise<R>,
): Promise<R> {
  hook?.("before", what);
  const result = await send();
  hook?.("after", what);
  return result;
}
