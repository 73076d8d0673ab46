import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ArchiveError, packArchive, unpackArchive } from "./archive.ts";

const part = fc.stringMatching(/^[a-z0-9é_@-][a-z0-9é_.@ -]{0,40}$/);
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const file = fc.record({ path, content: fc.uint8Array({ maxLength: 2_000 }), executable: fc.boolean() });
const files = fc.uniqueArray(file, { selector: ({ path }) => path, maxLength: 20 });

const sorted = <T extends { path: string }>(list: readonly T[]): T[] =>
  [...list].sort((a, b) => (a.path < b.path ? -1 : 1));

test("what is packed comes back, byte for byte", () => {
  fc.assert(
    fc.property(files, (given) => {
      const back = unpackArchive(packArchive(given));
      expect(back.map(({ content, ...rest }) => ({ ...rest, content: [...content] }))).toEqual(
        sorted(given).map(({ content, ...rest }) => ({ ...rest, content: [...content] })),
      );
    }),
  );
});

test("the order of the files does not change the archive", () => {
  fc.assert(
    fc.property(files, (given) => {
      expect(packArchive([...given].reverse())).toEqual(packArchive(given));
    }),
  );
});

test.each([
  "../x",
  "/etc/passwd",
  "a/../b",
  "a//b",
  "./a",
  "a/",
  "",
  "a\\b",
  "a\u0000b",
  "x".repeat(101),
  `${"p/".repeat(200)}x`,
])("the path %j is refused", (bad) => {
  expect(() => packArchive([{ path: bad, content: new Uint8Array() }])).toThrow(ArchiveError);
});

test("a path twice is refused", () => {
  const twice = { path: "a", content: new Uint8Array() };
  expect(() => packArchive([twice, twice])).toThrow("a: comes twice");
});

test("tar reads the archive, and a link that tar made is refused", () => {
  const folder = mkdtempSync(join(tmpdir(), "archive-"));
  try {
    writeFileSync(join(folder, "a.tar"), packArchive([{ path: "dir/a.txt", content: Buffer.from("text") }]));
    execFileSync("tar", ["-xf", "a.tar"], { cwd: folder });
    expect(readFileSync(join(folder, "dir", "a.txt"), "utf8")).toBe("text");
    execFileSync("ln", ["-s", "/etc/passwd", "link"], { cwd: folder });
    execFileSync("tar", ["--format=ustar", "-cf", "b.tar", "link"], { cwd: folder });
    expect(() => unpackArchive(readFileSync(join(folder, "b.tar")))).toThrow(
      "link: only plain files are allowed",
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("damaged bytes are an ArchiveError, never another error", () => {
  const good = packArchive([{ path: "a/b.mjs", content: Buffer.from("export const a = 1;") }]);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, end) => {
      const bad = good.slice(0, end);
      if (at < bad.length) bad[at] = byte;
      try {
        unpackArchive(bad);
      } catch (error) {
        expect(error).toBeInstanceOf(ArchiveError);
      }
    }),
  );
});
