/** How many values a JSON text has, without making any of them: of keys, objects, lists and all else. */
const [quote, backslash, comma, colon, brace, bracket] = [34, 92, 44, 58, 123, 91];

/** Of what is no JSON, a number that JSON.parse does not exceed before it fails. Stops above `most`. */
export function countValues(text: string, most: number): number {
  let count = 1;
  for (let at = 0; at < text.length && count <= most; at++) {
    const char = text.charCodeAt(at);
    if (char === quote) at = endOfString(text, at);
    else if (char === comma || char === colon || char === brace || char === bracket) count++;
  }
  return count;
}

/** Index of the closing quote, or of the text's end. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}
