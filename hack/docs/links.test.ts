import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repoRoot } from "../lib/paths.ts";
import { brokenLinks } from "./links.ts";

test("every link of this repository's pages leads somewhere", () => {
  expect(brokenLinks(repoRoot)).toEqual([]);
});

test("a missing file, a missing anchor and a page that sources name wrongly are found", () => {
  const root = mkdtempSync(join(tmpdir(), "fairlead-links-"));
  try {
    mkdirSync(join(root, "docs"));
    writeFileSync(
      join(root, "README.md"),
      "[a](docs/a.md) [b](docs/b.md) [c](docs/a.md#one) [d](docs/a.md#two) [e](#none) [f](https://none.example)\n",
    );
    writeFileSync(join(root, "docs", "a.md"), "# One\n\n[back](../README.md)\n");
    writeFileSync(join(root, "a.ts"), "// see docs/a.md and docs/old.md\n");
    expect(brokenLinks(root)).toEqual([
      "README.md: docs/b.md: there is no docs/b.md",
      "README.md: docs/a.md#two: docs/a.md has no heading with that anchor",
      "README.md: #none: README.md has no heading with that anchor",
      "a.ts: there is no docs/old.md, which it names",
    ]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
