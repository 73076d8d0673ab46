/**
 * What the tests do with the snippets of a page. The words after the language of a fence say it; readers do
 * not see them:
 *
 *   sh run        typed into one shell, in the order of the page; every command has to succeed
 *   yaml apply    the same: `kubectl apply -f -` with this text
 *   text output   what the snippet before it prints: each line appears, in this order; … stands for anything
 *   ts from=PATH  a part of that file, word for word
 *
 * A yaml snippet of ours that is not applied is offered to the API server with --dry-run=server, a ts snippet
 * that is no part of a file is compiled. Pure.
 */
import type { Page, Snippet } from "./page.ts";

/** One snippet that is executed, and the lines that it has to print. */
export interface Step {
  line: number;
  script: string;
  expected: string[];
}

export function stepsOf({ snippets }: Pick<Page, "snippets">): Step[] {
  const steps: Step[] = [];
  for (const { lang, flags, text, line } of snippets) {
    for (const flag of flags) {
      const known = flags.length === 1 && purposes.has(`${lang} ${flag.replace(/=.*/, "=")}`);
      if (!known)
        throw new Error(`line ${line}: "${lang} ${flags.join(" ")}" is not ${[...purposes].join(", ")}`);
    }
    if (flags.includes("run")) steps.push({ line, script: text, expected: [] });
    if (flags.includes("apply")) steps.push({ line, script: applied(text), expected: [] });
    if (flags.includes("output")) {
      const step = steps.at(-1);
      if (!step) throw new Error(`line ${line}: an output without a snippet that prints it`);
      step.expected.push(...text.split("\n").filter((wanted) => wanted.trim() !== ""));
    }
  }
  return steps;
}

const purposes = new Set(["sh run", "yaml apply", "text output", "ts from="]);
const applied = (text: string): string => `kubectl apply -f - <<'YAML'\n${text}\nYAML`;

/** Resources of ours that the page shows and does not apply. */
export const shownManifests = ({ snippets }: Pick<Page, "snippets">): Snippet[] =>
  snippets.filter(
    ({ lang, flags, text }) =>
      lang === "yaml" && flags.length === 0 && /^apiVersion: fairlead\.dev\//m.test(text),
  );

/** TypeScript that stands for itself. */
export const modules = ({ snippets }: Pick<Page, "snippets">): Snippet[] =>
  snippets.filter(({ lang, flags }) => lang === "ts" && flags.length === 0);

/** The file that a snippet is a part of, and the part. */
export const excerpts = ({
  snippets,
}: Pick<Page, "snippets">): { path: string; text: string; line: number }[] =>
  snippets.flatMap(({ flags, text, line }) => {
    const path = flags.find((flag) => flag.startsWith("from="))?.slice("from=".length);
    return path === undefined ? [] : [{ path, text, line }];
  });

const mark = (line: number): string => `@@ line ${line} @@`;

/** All steps as the input of one bash, which ends at the first command that fails. */
export function sessionScript(steps: readonly Step[]): string {
  const parts = steps.map(({ line, script }) => `echo '${mark(line)}'\n${script}\n`);
  return ["set -euo pipefail", "exec 2>&1", ...parts].join("\n");
}

/** What each step printed, from the output of the whole session; undefined for one that was not reached. */
export function outputOf(step: Step, session: string): string | undefined {
  const begin = session.indexOf(`${mark(step.line)}\n`);
  if (begin < 0) return undefined;
  const text = session.slice(begin + mark(step.line).length + 1);
  const end = text.search(/^@@ line \d+ @@$/m);
  return end < 0 ? text : text.slice(0, end);
}

/** The first expected line that does not appear after those before it; undefined when all do. */
export function missingLine(expected: readonly string[], output: string): string | undefined {
  const lines = output.split("\n");
  let from = 0;
  for (const wanted of expected) {
    const pattern = patternOf(wanted);
    const found = lines.findIndex((line, index) => index >= from && pattern.test(line));
    if (found < 0) return wanted;
    from = found + 1;
  }
  return undefined;
}

/** Columns are as wide as their longest cell: the number of spaces does not count. */
function patternOf(wanted: string): RegExp {
  const parts = wanted
    .trim()
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/ +/g, " +"));
  return new RegExp(`^ *${parts.join(".*")} *$`);
}
