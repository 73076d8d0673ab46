import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { parsePage } from "./page.ts";
import {
  excerpts,
  missingLine,
  modules,
  outputOf,
  sessionScript,
  shownManifests,
  stepsOf,
} from "./snippets.ts";

const fence = (info: string, text: string): string => `\`\`\`${info}\n${text}\n\`\`\`\n\n`;
const steps = (text: string) => stepsOf(parsePage(text));

test("only marked snippets are steps, an output belongs to the step before it", () => {
  const text =
    fence("sh", "rm -rf /") + fence("sh run", "echo hi") + fence("text output", "hi") + fence("text", "no");
  expect(steps(text)).toEqual([{ line: 5, script: "echo hi", expected: ["hi"] }]);
});

test("a manifest to apply becomes a command, one that is only shown does not", () => {
  const ours = "apiVersion: fairlead.dev/v1alpha1\nkind: Task";
  const page = parsePage(fence("yaml apply", ours) + fence("yaml", ours) + fence("yaml", "redis: {}"));
  expect(stepsOf(page).map(({ script }) => script)).toEqual([`kubectl apply -f - <<'YAML'\n${ours}\nYAML`]);
  expect(shownManifests(page).map(({ line }) => line)).toEqual([6]);
});

test("TypeScript is a part of the file that it names, or a module of its own", () => {
  const page = parsePage(fence("ts from=a/b.ts", "const a = 1;") + fence("ts", "const b = 2;"));
  expect(excerpts(page)).toEqual([{ path: "a/b.ts", text: "const a = 1;", line: 1 }]);
  expect(modules(page).map(({ text }) => text)).toEqual(["const b = 2;"]);
});

test("a misspelt flag and an output without its snippet are errors that name the line", () => {
  expect(() => steps(`\n${fence("sh runs", "ls")}`)).toThrow(/^line 2: "sh runs" is not sh run/);
  expect(() => steps(fence("yaml run", "a: 1"))).toThrow(/"yaml run"/);
  expect(() => steps(fence("text output", "hi"))).toThrow("line 1: an output without a snippet");
});

test("the steps share one shell, and the output of each is found again", () => {
  const list = steps(fence("sh run", "name=Ada") + fence("sh run", 'echo "Hello, $name"\necho oops >&2'));
  const session = execFileSync("bash", { input: sessionScript(list), encoding: "utf8" });
  expect(list.map((step) => outputOf(step, session))).toEqual(["", "Hello, Ada\noops\n"]);
});

test("the shell ends at the first command that fails, also within a pipe", () => {
  const list = steps(fence("sh run", "false | cat\necho never") + fence("sh run", "echo neither"));
  let session = "";
  try {
    execFileSync("bash", { input: sessionScript(list), encoding: "utf8" });
  } catch (error) {
    session = (error as { stdout: string }).stdout;
  }
  expect(list.map((step) => outputOf(step, session))).toEqual(["", undefined]);
});

test.each([
  [["a", "b"], "a\nb\n", undefined],
  [["a", "b"], "b\na\n", "b"],
  [["NAME   PHASE"], "  NAME PHASE  \n", undefined],
  [["run_… done"], "run_abc123 done", undefined],
  [["a.b(c)"], "aXb(c)", "a.b(c)"],
  [["a"], "ab", "a"],
])("expected lines %j in %j: %j is missing", (expected, output, missing) => {
  expect(missingLine(expected, output)).toBe(missing);
});
