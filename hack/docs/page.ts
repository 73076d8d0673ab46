/** One page of the documentation as data: its anchors, its links and its fenced snippets. Pure. */
import GithubSlugger from "github-slugger";
import { marked, type Token } from "marked";

/**
 * A fenced block. The first word after the fence is its language; readers see the block coloured by it and
 * see nothing of the other words, which say what the tests do with it (snippets.ts).
 */
export interface Snippet {
  lang: string;
  flags: string[];
  text: string;
  /** Line of the opening fence, 1-based. */
  line: number;
}

export interface Page {
  anchors: string[];
  /** Targets of links and images, in order. */
  links: string[];
  snippets: Snippet[];
}

export function parsePage(text: string): Page {
  const page: Page = { anchors: [], links: [], snippets: [] };
  const slugger = new GithubSlugger();
  let line = 1;
  // Together the top-level tokens are the whole text: their lengths give the line of each.
  for (const token of marked.lexer(text)) {
    if (token.type === "code" && token.raw.startsWith("```")) {
      const [lang = "", ...flags] = (token.lang ?? "").split(/\s+/);
      page.snippets.push({ lang, flags, text: token.text, line });
    }
    if (token.type === "heading") page.anchors.push(slugger.slug(plainText(token)));
    marked.walkTokens([token], (inner) => {
      if (inner.type === "link" || inner.type === "image") page.links.push(inner.href);
    });
    line += token.raw.split("\n").length - 1;
  }
  return page;
}

/** What a reader sees of a heading: GitHub makes the anchor of it. */
function plainText(token: Token): string {
  const inner = "tokens" in token ? token.tokens : undefined;
  if (inner) return inner.map(plainText).join("");
  return "text" in token ? String(token.text) : token.raw;
}
