/** `fairlead versions`: what was deployed of a project, and which version runs. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { type Api, call, path } from "../api.ts";
import { calling } from "../command.ts";
import type { Deployed } from "../deploy/deployFolder.ts";
import { projectOf } from "../deploy/project.ts";
import { CommandError } from "../errors.ts";
import { type Column, type Format, printList, printResult } from "../output.ts";
import { age, print } from "../terminal.ts";

interface Versions {
  current?: string;
  versions: { version: string; deployedAt: string }[];
}

interface Row {
  version: string;
  deployedAt: string;
  current: boolean;
}

const columns: Column<Row>[] = [
  { name: "VERSION", of: (row) => row.version },
  { name: "AGE", of: (row) => age(new Date(row.deployedAt)) },
  { name: "CURRENT", of: (row) => (row.current ? "yes" : "") },
];

const read = (api: Api, project: string): Promise<Versions> =>
  call(api, { path: path`/api/fairlead/v1/deployments/${project}` });

export function addVersions(program: Command): void {
  const versions = program.command("versions").description("versions of a project: list, promote, rollback");
  const withProject = (command: Command): Command =>
    command.option("--project <name>", "package.json's name in this folder otherwise");
  withProject(versions.command("list").description("newest first")).action(
    calling<[], { project?: string }>(async ({ api, options, format }) => {
      const project = projectOf(resolve("."), options.project);
      const { current, versions: all } = await read(api, project);
      const rows = all.map((one) => ({ ...one, current: one.version === current }));
      printList(rows, columns, format, `Nothing was deployed as ${project}.`);
    }),
  );
  withProject(
    versions.command("promote").description("makes a version the current one").argument("<version>"),
  ).action(
    calling<[string], { project?: string }>(async ({ api, options, format }, version) =>
      promote(api, projectOf(resolve("."), options.project), version, format),
    ),
  );
  withProject(
    versions.command("rollback").description("makes the one before the current one current"),
  ).action(
    calling<[], { project?: string }>(async ({ api, options, format }) => {
      const project = projectOf(resolve("."), options.project);
      const { current, versions: all } = await read(api, project);
      const at = all.findIndex(({ version }) => version === current);
      const before = all[at + 1];
      if (at < 0 || !before)
        throw new CommandError(
          `${project} has no version before ${current ?? "the first deploy"}; see fairlead versions list`,
        );
      await promote(api, project, before.version, format);
    }),
  );
}

async function promote(api: Api, project: string, version: string, format: Format): Promise<void> {
  const body = { project, version };
  const deployed = await call<Deployed>(api, {
    method: "POST",
    path: "/api/fairlead/v1/deployments/promote",
    body,
  });
  printResult(deployed, format, () => print(`${project} is at version ${version}.`));
}
