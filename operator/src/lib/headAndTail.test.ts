import fc from "fast-check";
import { expect, test } from "vitest";
import { headAndTail } from "./headAndTail.ts";

async function* parts(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const cut = async (text: string, size: number, headBytes: number, tailBytes: number) => {
  const { body, missing } = await headAndTail(parts(text, size), { headBytes, tailBytes });
  return { text: Buffer.from(body).toString(), missing };
};

test("a text that fits stays as it is", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.integer({ min: 1, max: 9 }),
      async (text, size) => {
        expect(await cut(text, size, 80, 400)).toEqual({ text, missing: 0 });
      },
    ),
  );
});

test("of a long text both ends stay, in whole lines, with a line that says what is missing", async () => {
  const lines = Array.from({ length: 1000 }, (_, n) => `line ${n}: ä😀\n`);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5000 }), async (size) => {
      const { text, missing } = await cut(lines.join(""), size, 100, 200);
      const [start = "", end = ""] = text.split(`--- ${missing} bytes of this log are left out here ---\n`);
      expect(lines.join("").startsWith(start) && start.endsWith("\n")).toBe(true);
      expect(lines.join("").endsWith(`\n${end}`) && end.endsWith("line 999: ä😀\n")).toBe(true);
      expect(Buffer.byteLength(start) + Buffer.byteLength(end) + missing).toBe(
        Buffer.byteLength(lines.join("")),
      );
      expect(Buffer.byteLength(end)).toBeGreaterThan(170);
    }),
  );
});

test("one line without an end keeps its end", async () => {
  const { text } = await cut(`${"x".repeat(10_000)}last words`, 64, 10, 20);
  expect(text).toMatch(/^x{10}\n--- \d+ bytes .* ---\nx{10}last words$/);
});
