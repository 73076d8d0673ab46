import fc from "fast-check";
import { expect, test } from "vitest";
import { textLines } from "./textLines.ts";

async function* cut(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function all(bytes: Uint8Array, size: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of textLines(cut(bytes, size))) lines.push(line);
  return lines;
}

test("every line comes, wherever the bytes are cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme" })),
      fc.integer({ min: 1, max: 9 }),
      async (parts, size) => {
        const text = parts.join("\n");
        const expected = text.split("\n");
        if (expected.at(-1) === "") expected.pop();
        expect(await all(new TextEncoder().encode(text), size)).toEqual(expected);
      },
    ),
  );
});

test("a line without end comes in pieces", async () => {
  const lines = await all(Buffer.from("x".repeat(200_000)), 1_000);
  expect(lines.join("")).toBe("x".repeat(200_000));
  expect(Math.max(...lines.map((line) => line.length))).toBe(64 * 1024);
});

test("what is not UTF-8 is replaced", async () => {
  expect(await all(Buffer.from([0x61, 0xff, 0x0a, 0x62]), 1)).toEqual(["a\ufffd", "b"]);
});
