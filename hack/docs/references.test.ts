import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repoRoot } from "../lib/paths.ts";
import { brokenReferences } from "./references.ts";

test("every link of this repository's pages leads somewhere, and every excerpt is in its file", () => {
  expect(brokenReferences(repoRoot)).toEqual([]);
});

test("a missing file, a missing anchor, a stale excerpt and a page that sources name wrongly are found", () => {
  const root = mkdtempSync(join(tmpdir(), "fairlead-links-"));
  try {
    mkdirSync(join(root, "docs"));
    writeFileSync(
      join(root, "README.md"),
      "[a](docs/a.md) [b](docs/c.md) [c](docs/a.md#one) [d](docs/a.md#two) [e](#none) [f](https://none.example)\n",
    );
    writeFileSync(join(root, "docs", "a.md"), "# One\n\n[back](../README.md)\n");
    writeFileSync(
      join(root, "docs", "b.md"),
      "```ts from=b.ts\nexport const one = 1;\n```\n\n```ts from=b.ts\nexport const two = 1;\n```\n",
    );
    writeFileSync(join(root, "b.ts"), "export const one = 1;\nexport const two = 2;\n");
    writeFileSync(join(root, "a.ts"), "// see docs/a.md and docs/old.md\n");
    expect(brokenReferences(root)).toEqual([
      "README.md: docs/c.md: there is no docs/c.md",
      "README.md: docs/a.md#two: docs/a.md has no heading with that anchor",
      "README.md: #none: README.md has no heading with that anchor",
      "docs/b.md:5: b.ts does not contain this snippet",
      "a.ts: there is no docs/old.md, which it names",
    ]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
