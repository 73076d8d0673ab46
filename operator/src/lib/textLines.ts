/**
 * The lines of text as it comes, for readers who want all of it: the last one without a line end, too, and
 * empty ones. A line that is longer than 64 KiB comes in pieces; what is not UTF-8 is replaced.
 */
const longestLine = 64 * 1024;

export async function* textLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    for (; rest.length > longestLine; rest = rest.slice(longestLine)) yield rest.slice(0, longestLine);
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
