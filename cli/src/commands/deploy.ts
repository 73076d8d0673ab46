/** `fairlead deploy`: a folder of task files becomes Tasks, without an image. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { calling } from "../command.ts";
import { type DeployOptions, deployFolder } from "../deploy/deployFolder.ts";
import { projectOf } from "../deploy/project.ts";
import { usageError } from "../errors.ts";

type DeployFlags = Omit<DeployOptions, "project"> & { project?: string };

const examples = `
Examples:
  fairlead deploy
  fairlead deploy apps/worker --project billing
  fairlead deploy --dry-run -o yaml > tasks.yaml     # for GitOps: the code is uploaded, the YAML names it`;

export function addDeploy(program: Command): void {
  program
    .command("deploy")
    .description("bundle the task files of a folder and make them Tasks, without an image")
    .argument("[folder]", "with trigger.config.ts or fairlead.config.ts", ".")
    .option("--config <file>", "another configuration file")
    .option("--project <name>", "what the Tasks belong to; package.json's name otherwise")
    .option("--dry-run", "uploads the code, says what would change, and changes nothing")
    .option("--skip-promotion", "keeps it as a version that runs nothing yet: fairlead versions promote")
    .option("--stand-ins", "reads files whose variables are not set, with made-up values")
    .option(
      "--cpu <name>",
      "of the cluster's nodes, for packages with native code: x64 or arm64",
      process.arch,
    )
    .addHelpText("after", examples)
    .action(
      calling<[string], DeployFlags>(async ({ api, options, format }, given) => {
        const folder = resolve(given);
        if (!existsSync(folder)) throw usageError(`folder: ${folder} is not there`);
        await deployFolder(api, folder, { ...options, project: projectOf(folder, options.project) }, format);
      }),
    );
}
