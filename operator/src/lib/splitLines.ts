/**
 * The lines of a byte stream, each bounded; empty ones are skipped. A last line without a line end was cut
 * off, and is dropped. Throws TextDecoder's error at a line that is not UTF-8.
 */
export async function* splitLines(
  stream: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<string, void, undefined> {
  const newline = 10;
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    // Millions of empty lines cost no more than their bytes.
    const skipEmpty = (from: number): number => {
      let at = from;
      while (size === 0 && chunk[at] === newline) at++;
      return at;
    };
    let start = skipEmpty(0);
    for (let end = chunk.indexOf(newline, start); end >= 0; end = chunk.indexOf(newline, start)) {
      parts.push(chunk.subarray(start, end));
      yield utf8.decode(Buffer.concat(parts));
      parts = [];
      size = 0;
      start = skipEmpty(end + 1);
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > maxBytes) throw new Error(`a line is longer than ${maxBytes} bytes`);
  }
}
