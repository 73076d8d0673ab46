import { expect, test } from "vitest";
import { splitLines } from "./splitLines.ts";

async function* chunksOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
async function linesOf(...chunks: string[]): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of splitLines(chunksOf(...chunks), 10)) lines.push(line);
  return lines;
}

test.each<[chunks: string[], lines: string[]]>([
  [["a\nb\n"], ["a", "b"]],
  [["\n\n\n"], []],
  [["\n", "\n", "a", "\n", "\n"], ["a"]],
  [
    ["a", "b\n\n", "c\n"],
    ["ab", "c"],
  ],
  [["a\ncut off"], ["a"]],
])("%j are the lines %j", async (chunks, lines) => {
  expect(await linesOf(...chunks)).toEqual(lines);
});

test("a line that is too long is refused", async () => {
  await expect(linesOf("x".repeat(11))).rejects.toThrow("longer than 10 bytes");
});
