/**
 * `fairlead init`: what a folder needs to be deployed. Nothing that is there is changed; beside a
 * trigger.config there is nothing to make.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { local } from "../command.ts";
import { print, say } from "../terminal.ts";

const configNames = ["fairlead", "trigger"].flatMap((base) =>
  ["ts", "mts", "cts", "js", "mjs", "cjs"].map((extension) => `${base}.config.${extension}`),
);
const config = `/** What \`fairlead deploy\` reads. Folders and globs are relative to this file. */
export default {
  dirs: ["./trigger"],
  maxDuration: 300, // seconds
  retries: { default: { maxAttempts: 3 } },
};
`;
const task = (sdk: string): string => `import { task } from "${sdk}";

export const hello = task({
  id: "hello",
  run: async ({ name }: { name: string }) => {
    console.log("greeting", name);
    return { greeting: \`Hello, \${name}!\` };
  },
});
`;

export function addInit(program: Command): void {
  program
    .command("init")
    .description("a configuration and a first task, where there are none")
    .argument("[folder]", "of the project", ".")
    .action(
      local<[string]>((_context, given) => {
        const folder = resolve(given);
        const found = configNames.find((name) => existsSync(join(folder, name)));
        if (found) say(`${found} is there already: nothing to make`);
        else {
          make(folder, "fairlead.config.ts", config);
          make(folder, join("trigger", "hello.ts"), task(sdkOf(folder)));
        }
        ignore(folder);
        print('Next: fairlead deploy, then fairlead trigger hello \'{"name":"Ada"}\' --wait');
      }),
    );
}

/** The one that is installed. */
function sdkOf(folder: string): string {
  const { resolve: find } = createRequire(join(folder, "package.json"));
  for (const sdk of ["@fairlead/sdk", "@trigger.dev/sdk"]) {
    try {
      find(sdk);
      return sdk;
    } catch {
      // Not this one.
    }
  }
  say("no SDK is installed: npm install @trigger.dev/sdk, or @fairlead/sdk's package");
  return "@trigger.dev/sdk";
}

function make(folder: string, name: string, text: string): void {
  const path = join(folder, name);
  if (existsSync(path)) {
    say(`${name} is there already`);
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  print(`made ${name}`);
}

function ignore(folder: string): void {
  const path = join(folder, ".gitignore");
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (/^\/?\.fairlead\/?$/m.test(text)) return;
  mkdirSync(folder, { recursive: true });
  appendFileSync(path, `${text === "" || text.endsWith("\n") ? "" : "\n"}.fairlead/\n`);
  print("added .fairlead/ to .gitignore");
}
