/** `npm run cluster -- up | down | status | load | kill | env`. Results go to stdout, progress to stderr. */
import { existsSync } from "node:fs";
import { ExecError } from "../lib/exec.ts";
import { say } from "../lib/progress.ts";
import { WaitError } from "../lib/wait.ts";
import { readArchive } from "./archive.ts";
import { type Command, parseCommand, UsageError, usage } from "./args.ts";
import { chooseProvider } from "./choose.ts";
import { type ClusterAccess, ClusterError, type ClusterStatus } from "./provider.ts";

async function main(command: Command): Promise<number> {
  if (command.name === "help") {
    console.log(usage);
    return 0;
  }
  // A shell evaluates the output of `env`, so nothing else is printed.
  const cluster = await chooseProvider(command.name === "env" ? undefined : say);
  switch (command.name) {
    case "up": {
      const access = await cluster.up({ nodes: command.nodes });
      say(`KUBECONFIG=${access.kubeconfig}   (for your shell: eval "$(npm run --silent cluster -- env)")`);
      return 0;
    }
    case "down":
      await cluster.down();
      return 0;
    case "status": {
      const status = await cluster.status();
      console.log(statusText(status));
      return status.running ? 0 : 1;
    }
    case "load": {
      const missing = command.archives.filter((path) => !existsSync(path));
      if (missing.length > 0) throw new ClusterError(`no such file: ${missing.join(", ")}`);
      const archives = (await Promise.all(command.archives.map(readArchive))).flat();
      for (const { ref, nodes } of await cluster.loadImages(archives)) {
        console.log(nodes.length > 0 ? `${ref}: loaded on ${nodes.join(", ")}` : `${ref}: already there`);
      }
      return 0;
    }
    case "kill":
      await cluster.killNode(command.node);
      return 0;
    case "env": {
      const access = await cluster.access();
      console.log(envText(access));
      return 0;
    }
  }
}

function envText(access: ClusterAccess): string {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`export KUBECONFIG=${quote(access.kubeconfig)}`];
  if (access.path.length > 0) lines.push(`export PATH=${access.path.map(quote).join(":")}:"$PATH"`);
  return lines.join("\n");
}

function statusText(status: ClusterStatus): string {
  const mark = (good: boolean) => (good ? "✓" : "✗");
  const versions = Object.entries(status.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${mark(status.running)} ${status.provider} cluster: ${status.running ? "up" : "not up"}`,
    ...(versions.length > 0 ? [`  ${versions.join(", ")}`] : []),
    ...status.nodes.map(({ name, ready, detail }) => `  ${mark(ready)} ${name.padEnd(26)} ${detail}`),
    ...status.components.map(
      ({ name, pid, healthy, detail }) =>
        `  ${mark(healthy)} ${name.padEnd(26)} ${pid ? `pid ${String(pid).padEnd(8)} ` : ""}${detail}`,
    ),
    ...status.notes.map((note) => `  ${note}`),
  ].join("\n");
}

try {
  process.exitCode = await main(parseCommand(process.argv.slice(2)));
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else if (error instanceof ClusterError || error instanceof WaitError || error instanceof ExecError) {
    console.error(error.message);
    process.exitCode = 1;
  } else throw error;
}
