/** The command line: `fairlead <command> …`. Each file in commands/ adds one word. */
import { Command } from "commander";
import { addBatches } from "./commands/batches.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDeploy } from "./commands/deploy.ts";
import { addDev } from "./commands/dev.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEnv } from "./commands/env.ts";
import { addInit } from "./commands/init.ts";
import { addKeys } from "./commands/keys.ts";
import { addQueues } from "./commands/queues.ts";
import { addRuns } from "./commands/runs.ts";
import { addSchedules } from "./commands/schedules.ts";
import { addTrigger } from "./commands/trigger.ts";
import { addVersions } from "./commands/versions.ts";
import { addWhoami } from "./commands/whoami.ts";

export const commands = [
  addInit,
  addDeploy,
  addDev,
  addTrigger,
  addRuns,
  addBatches,
  addQueues,
  addSchedules,
  addVersions,
  addEnv,
  addKeys,
  addWhoami,
  addDoctor,
  addCompletion,
];

export function buildProgram(version: string): Command {
  const program = new Command("fairlead")
    .description("Background tasks on Kubernetes: deploy, trigger and follow them.")
    .version(version, "-V, --version")
    .option("--api-url <url>", "address of the API (or TRIGGER_API_URL)")
    .option("--env-file <file>", "variables to read first, for the address and the key")
    .option("--context <name>", "kubeconfig context; reaches the API with kubectl")
    .option("-n, --namespace <name>", "namespace of the runs; reaches the API with kubectl")
    .option("--release-namespace <name>", "namespace of Fairlead's release, when there are several")
    .option("-o, --output <format>", "json, yaml or wide")
    .showHelpAfterError("(fairlead <command> --help shows what it takes)")
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      "after",
      `
The key is read from TRIGGER_SECRET_KEY, .env or .fairlead/env; with --namespace, from the cluster.

Exit codes:
  0  done    1  failed    2  wrong command line    3  no connection, or a wrong key
  4  the run that was waited for did not succeed    130  interrupted`,
    );
  for (const add of commands) add(program);
  return program;
}
