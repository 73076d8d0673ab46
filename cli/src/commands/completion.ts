/**
 * `fairlead completion SHELL`: a script that completes commands and options, made from the program itself.
 */
import type { Command } from "commander";
import { local } from "../command.ts";
import { usageError } from "../errors.ts";
import { print } from "../terminal.ts";

const shells = ["bash", "zsh", "fish"] as const;

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .description("a script for bash, zsh or fish")
    .argument("<shell>", shells.join(", "))
    .addHelpText("after", "\nExample, for ~/.bashrc:\n  source <(fairlead completion bash)")
    .action(
      local<[string]>((_context, shell) => {
        const words = wordsOf(program);
        if (shell === "bash") print(bash(words));
        else if (shell === "zsh") print(`autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`);
        else if (shell === "fish") print(fish(words));
        else throw usageError(`shell: "${shell}" is none of ${shells.join(", ")}`);
      }),
    );
}

/** For each path of commands (`""`, `runs`, `runs list`) the words that may follow. */
function wordsOf(command: Command, path = ""): Map<string, string[]> {
  const flags = command.options.map(({ long }) => long ?? "").filter((flag) => flag !== "");
  const words = new Map([[path, [...command.commands.map((sub) => sub.name()), ...flags]]]);
  for (const sub of command.commands)
    for (const [key, list] of wordsOf(sub, `${path} ${sub.name()}`.trim())) words.set(key, list);
  return words;
}

function bash(words: Map<string, string[]>): string {
  const cases = [...words].map(([path, list]) => `    "${path}") words="${list.join(" ")}" ;;`);
  return `_fairlead() {
  local path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _fairlead fairlead`;
}

function fish(words: Map<string, string[]>): string {
  return [...words]
    .map(([path, list]) => {
      const condition =
        path === ""
          ? "__fish_use_subcommand"
          : path
              .split(" ")
              .map((word) => `__fish_seen_subcommand_from ${word}`)
              .join("; and ");
      return `complete -c fairlead -f -n '${condition}' -a '${list.join(" ")}'`;
    })
    .join("\n");
}
