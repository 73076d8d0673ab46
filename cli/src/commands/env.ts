/**
 * `fairlead env`: variables of the namespace's runs. Values are read from the command line, a file or stdin;
 * `list` shows no value of a secret one, and `set` prints none.
 */
import { readFileSync } from "node:fs";
import { text as readText } from "node:stream/consumers";
import { parseEnv } from "node:util";
import type { Command } from "commander";
import { type Api, call } from "../api.ts";
import { calling } from "../command.ts";
import { usageError } from "../errors.ts";
import { type Column, printList } from "../output.ts";
import { print } from "../terminal.ts";
import { namespaceOfKey, type Variable, variablesPath } from "../variables.ts";

const rootOf = async (api: Api): Promise<string> => variablesPath(await namespaceOfKey(api));

const columns: Column<Variable>[] = [
  { name: "NAME", of: (variable) => variable.name },
  { name: "VALUE", of: (variable) => variable.value },
  { name: "SECRET", of: (variable) => (variable.isSecret ? "yes" : "") },
];

export function addEnv(program: Command): void {
  const env = program
    .command("env")
    .description("variables in the environment of every run of the namespace");
  env
    .command("list")
    .description("all of them; values of secret ones are not shown")
    .action(
      calling(async ({ api, format }) => {
        printList(await call<Variable[]>(api, { path: await rootOf(api) }), columns, format, "No variables.");
      }),
    );
  env
    .command("set")
    .description("adds or changes variables; running attempts keep theirs")
    .argument("[assignments...]", "NAME=VALUE, or NAME= - to read the value from stdin")
    .option("-f, --file <path>", "all variables of a .env file")
    .option("--secret", "the values are never shown again")
    .addHelpText(
      "after",
      "\nExamples:\n  fairlead env set LOG_LEVEL=debug\n  pass show api | fairlead env set API_KEY --secret\n  fairlead env set --file .env.production",
    )
    .action(
      calling<[string[]], { file?: string; secret?: boolean }>(async ({ api, options }, assignments) => {
        const variables = await variablesOf(assignments, options.file);
        const body = { variables, override: true, isSecret: options.secret };
        await call(api, { method: "POST", path: `${await rootOf(api)}/import`, body });
        print(`set: ${Object.keys(variables).join(", ")}`);
      }),
    );
  env
    .command("unset")
    .description("deletes variables")
    .argument("<names...>")
    .action(
      calling<[string[]]>(async ({ api }, names) => {
        const root = await rootOf(api);
        for (const name of names) {
          await call(api, { method: "DELETE", path: `${root}/${encodeURIComponent(name)}` });
          print(`${name} deleted`);
        }
      }),
    );
  env
    .command("pull")
    .description("all that are not secret, as a .env file on stdout")
    .action(
      calling(async ({ api }) => {
        for (const { name, value, isSecret } of await call<Variable[]>(api, { path: await rootOf(api) }))
          print(isSecret ? `# ${name} is secret` : `${name}=${quoted(value)}`);
      }),
    );
}

async function variablesOf(
  assignments: readonly string[],
  file: string | undefined,
): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  if (file !== undefined) {
    try {
      Object.assign(variables, parseEnv(readFileSync(file, "utf8")));
    } catch (error) {
      throw usageError(`--file: ${(error as Error).message}`);
    }
  }
  for (const assignment of assignments) {
    const at = assignment.indexOf("=");
    if (at === 0) throw usageError(`"${assignment}": there is no name; give NAME=VALUE`);
    if (at > 0) variables[assignment.slice(0, at)] = assignment.slice(at + 1);
    else if (assignments.length > 1)
      throw usageError(`${assignment}: only one value can be read from stdin; give NAME=VALUE`);
    else variables[assignment] = (await readText(process.stdin)).replace(/\r?\n$/, "");
  }
  if (Object.keys(variables).length === 0) throw usageError("nothing to set: give NAME=VALUE, or --file");
  return variables;
}

/** As `parseEnv` reads it back. */
function quoted(value: string): string {
  if (/^[\w./:@%+,-]*$/.test(value)) return value;
  const quote = ['"', "'", "`"].find((mark) => !value.includes(mark));
  if (quote === undefined)
    return `"${value.replaceAll('"', "'")}" # its quotes cannot be written in a .env file`;
  return `${quote}${quote === '"' ? value.replaceAll("\n", "\\n") : value}${quote}`;
}
