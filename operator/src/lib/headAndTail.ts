/**
 * The beginning and the end of a stream of text that may be of any length, in bounded memory. Where something
 * is left out a line says how many bytes; both parts are cut at the ends of lines.
 */
interface Limits {
  headBytes: number;
  tailBytes: number;
}

export interface CutText {
  body: Uint8Array;
  /** Bytes that are left out. */
  missing: number;
}

const newline = 10;

export async function headAndTail(
  stream: AsyncIterable<Uint8Array>,
  { headBytes, tailBytes }: Limits,
): Promise<CutText> {
  const head: Uint8Array[] = [];
  const tail: Uint8Array[] = [];
  let [headSize, tailSize, total] = [0, 0, 0];
  for await (const part of stream) {
    total += part.length;
    const forHead = part.subarray(0, headBytes - headSize);
    if (forHead.length > 0) head.push(forHead);
    headSize += forHead.length;
    const rest = part.subarray(forHead.length);
    if (rest.length > 0) tail.push(rest);
    tailSize += rest.length;
    for (let first = tail[0]; first && tailSize - first.length >= tailBytes; first = tail[0]) {
      tail.shift();
      tailSize -= first.length;
    }
  }
  if (total <= headBytes + tailBytes) return { body: Buffer.concat([...head, ...tail]), missing: 0 };
  const start = wholeLinesFrom(Buffer.concat(head));
  const all = Buffer.concat(tail);
  const end = afterFirstLine(all.subarray(all.length - Math.min(all.length, tailBytes)));
  const missing = total - start.length - end.length;
  const line = Buffer.from(`--- ${missing} bytes of this log are left out here ---\n`);
  return { body: Buffer.concat([start, line, end]), missing };
}

/** Without the line that was cut, unless there is only that one. */
function wholeLinesFrom(text: Buffer): Buffer {
  const last = text.lastIndexOf(newline);
  return last < 0 ? Buffer.concat([text, Buffer.of(newline)]) : text.subarray(0, last + 1);
}

function afterFirstLine(text: Buffer): Buffer {
  const first = text.indexOf(newline);
  return first < 0 || first === text.length - 1 ? text : text.subarray(first + 1);
}
