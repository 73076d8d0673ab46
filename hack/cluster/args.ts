/** The command line of `npm run cluster`. Pure. */
import { parseArgs } from "node:util";

export type Command =
  | { name: "up"; nodes?: number }
  | { name: "down" | "status" | "env" | "help" }
  | { name: "load"; archives: string[] }
  | { name: "kill"; node: string };

export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const usage = `usage: npm run cluster -- COMMAND
  up [--nodes N]   make the cluster, or mend it; N from 1 to 4 (more nodes may be added later)
  down             remove it with everything in it
  status           provider, nodes, components, versions
  load ARCHIVE…    bring images to every node: files as \`docker save\` writes them
  kill NODE        as a loss of power: the node's programs, containers and network at once; \`up\` starts it again
  env              lines for a shell: eval "$(npm run --silent cluster -- env)"
CLUSTER=current|kind|built-in chooses the way; FAIRLEAD_CLUSTER=NAME a second built-in cluster.`;

export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals } = parse(argv);
  const [name, ...rest] = positionals;
  if (values.help || name === undefined || name === "help") return { name: "help" };
  if (values.nodes !== undefined && name !== "up")
    throw new UsageError(`--nodes belongs to up, not to ${name}`);
  if (name === "load") {
    if (rest.length === 0) throw new UsageError("load: which archives?");
    return { name, archives: rest };
  }
  if (name === "kill") {
    const [node, ...others] = rest;
    if (node === undefined || others.length > 0) throw new UsageError("kill: which node? Name one");
    return { name, node };
  }
  if (rest.length > 0) throw new UsageError(`${name}: unexpected ${rest.join(" ")}`);
  switch (name) {
    case "up":
      return values.nodes === undefined ? { name } : { name, nodes: nodeCount(values.nodes) };
    case "down":
    case "status":
    case "env":
      return { name };
    default:
      throw new UsageError(`unknown command ${name}`);
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { nodes: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function nodeCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 4) {
    throw new UsageError(`--nodes ${text}: must be a number from 1 to 4`);
  }
  return count;
}
