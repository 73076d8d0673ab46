/**
 * Where a page and the repository disagree: a relative link whose file or anchor does not exist, a snippet
 * that is no longer a part of the file that it was taken from, and a page that a comment in the sources names
 * by a path that is not there. Links to the web are not followed.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parsePage } from "./page.ts";
import { excerpts } from "./snippets.ts";

const skipped = new Set(["node_modules", "dist"]);
const isWeb = (link: string): boolean => /^[a-z][a-z+.-]*:/i.test(link);

/** One line for each. */
export function brokenReferences(root: string): string[] {
  const files = [...walk(root)];
  const pages = new Map(files.filter((file) => file.endsWith(".md")).map((file) => [file, parse(file)]));
  const problems: string[] = [];
  for (const [file, { links }] of pages) {
    for (const link of links.filter((target) => !isWeb(target))) {
      const [path = "", anchor] = decodeURI(link).split("#");
      const target = path === "" ? file : join(dirname(file), path);
      const name = relative(root, file);
      if (!existsSync(target)) problems.push(`${name}: ${link}: there is no ${relative(root, target)}`);
      else if (anchor && !pages.get(target)?.anchors.includes(anchor))
        problems.push(`${name}: ${link}: ${relative(root, target)} has no heading with that anchor`);
    }
  }
  for (const [file, page] of pages) {
    for (const { path, text, line } of excerpts(page)) {
      const source = existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : "";
      if (!source.includes(text))
        problems.push(`${relative(root, file)}:${line}: ${path} does not contain this snippet`);
    }
  }
  for (const file of files.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))) {
    for (const [page] of readFileSync(file, "utf8").matchAll(/(?<![\w./-])docs\/[\w/-]+\.md/g))
      if (!existsSync(join(root, page)))
        problems.push(`${relative(root, file)}: there is no ${page}, which it names`);
  }
  return problems;
}

const parse = (file: string): ReturnType<typeof parsePage> => parsePage(readFileSync(file, "utf8"));

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !skipped.has(entry.name) && !entry.name.startsWith(".")) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}
