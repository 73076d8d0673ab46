import { expect, test } from "vitest";
import { parsePage } from "./page.ts";

test("a page has its headings as GitHub's anchors, repeated ones numbered", () => {
  const { anchors } = parsePage(
    "# My run failed, what now?\n\n## `kubectl logs`\n\ntext\n\n## End\n\n## End\n",
  );
  expect(anchors).toEqual(["my-run-failed-what-now", "kubectl-logs", "end", "end-1"]);
});

test("links are found in paragraphs, lists and tables, not in code", () => {
  const text =
    "See [a](a.md#x) and `[b](b.md)`.\n\n- [c](c.md)\n\n| h |\n| --- |\n| [d](d.md) |\n\n```sh\n[e](e.md)\n```\n";
  expect(parsePage(text).links).toEqual(["a.md#x", "c.md", "d.md"]);
});

test("a snippet has the language and the flags of its fence, and the line where it begins", () => {
  const { snippets } = parsePage("# T\n\ntext\n\n```sh run\nls\npwd\n```\n\nmore\n\n```yaml\na: 1\n```\n");
  expect(snippets).toEqual([
    { lang: "sh", flags: ["run"], text: "ls\npwd", line: 5 },
    { lang: "yaml", flags: [], text: "a: 1", line: 12 },
  ]);
});
