/**
 * `npm run verify`: the quick checks, one line each with its time; stops at the first that fails. Needs only
 * the installed packages. `npm run format` repairs what the first check finds.
 */
import { join } from "node:path";
import { ExecError, run } from "./lib/exec.ts";
import { repoRoot } from "./lib/paths.ts";
import { seconds } from "./lib/progress.ts";
import { checkSources } from "./sourceRules.ts";

/** One check; resolves to what it checked, throws with what is wrong. */
interface Check {
  name: string;
  run(): Promise<string>;
}

const bin = (name: string): string => join(repoRoot, "node_modules", ".bin", name);

async function tool(command: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(command, args, { cwd: repoRoot });
  return `${stdout}\n${stderr}`;
}

const checks: Check[] = [
  {
    name: "format, lint, import cycles (types count)",
    run: async () =>
      /Checked \d+ files/.exec(await tool(bin("biome"), ["ci", "--colors=off", "."]))?.[0] ?? "",
  },
  {
    name: "types",
    run: async () => {
      await tool(bin("tsc"), ["--noEmit", "--project", "."]);
      return "";
    },
  },
  {
    name: "generated files",
    run: async () => (await tool(process.execPath, ["hack/generate.ts", "--check"])).trim(),
  },
  {
    name: "walls between folders, file length, comment width, unused exports",
    run: async () => {
      const { files, problems } = checkSources(repoRoot);
      if (problems.length > 0) throw new Error(problems.join("\n"));
      return `${files} files`;
    },
  },
  {
    name: "unit tests",
    run: async () => {
      const args = [bin("vitest"), "run", "--project", "unit", "--reporter", "dot"];
      // Without colours, because the summary is parsed.
      const { stdout } = await run(process.execPath, args, { cwd: repoRoot, env: { NO_COLOR: "1" } });
      return /Tests +(.*)/.exec(stdout)?.[1] ?? "";
    },
  },
];

const started = performance.now();
for (const check of checks) {
  const begun = performance.now();
  try {
    const detail = await check.run();
    console.log(`✓ ${check.name} ${seconds(performance.now() - begun)}${detail ? ` (${detail})` : ""}`);
  } catch (error) {
    console.log(`✗ ${check.name} ${seconds(performance.now() - begun)}\n`);
    const output = error instanceof ExecError ? `${error.stdout}\n${error.stderr}` : (error as Error).message;
    console.log(output.trim());
    process.exit(1);
  }
}
console.log(`all checks passed in ${seconds(performance.now() - started)}`);
