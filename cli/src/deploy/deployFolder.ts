/**
 * A folder of task files becomes Tasks: bundled and read on this machine, uploaded, made Tasks, TaskQueues
 * and schedules by the API in one step. A folder that did not change since it was deployed is left at that.
 */
import { join } from "node:path";
import { stringify } from "yaml";
import { type Api, call, path } from "../api.ts";
import { projectEnv, runBuild } from "../build/build.ts";
import type { BuildManifest } from "../build/manifest.ts";
import { isSettled, readStamp, stampKey, stampOf, writeStamp } from "../build/stamp.ts";
import { indexTasks } from "../build/taskIndex.ts";
import { CommandError } from "../errors.ts";
import { type Column, type Format, printResult, tableOf } from "../output.ts";
import { print, progress, say } from "../terminal.ts";
import { listVariables, namespaceOfKey, variablesPath } from "../variables.ts";
import { version as cliVersion } from "../version.ts";
import { type DeployedTask, deployedTasks, type Target } from "./deployedTasks.ts";
import { upload } from "./upload.ts";

export interface DeployOptions {
  project: string;
  target?: Target;
  /** `--config`, `--env-file` */
  config?: string;
  envFile?: string;
  dryRun?: boolean;
  skipPromotion?: boolean;
  standIns?: boolean;
  cpu: string;
}

interface Change {
  kind: string;
  name: string;
  action: string;
}

export interface Deployed {
  version: string;
  changes: Change[];
  manifests?: object[];
}

export async function deployFolder(
  api: Api,
  folder: string,
  options: DeployOptions,
  format: Format,
): Promise<void> {
  const { project, dryRun, skipPromotion } = options;
  const namespace = await namespaceOfKey(api);
  const env = { ...(await listVariables(api, namespace)), ...projectEnv(folder, options.envFile) };
  const stampFile = join(folder, ".fairlead", "deploy.json");
  const key = stampKey(
    cliVersion,
    api.baseURL,
    namespace,
    project,
    options.config,
    options.cpu,
    userVariables(env),
  );
  const stamp = dryRun || skipPromotion ? undefined : readStamp(stampFile, key);
  if (stamp && (await currentVersion(api, project)) === stamp.version) {
    printResult({ version: stamp.version, changes: [] }, format, () =>
      print(`Nothing changed: ${project} is at version ${stamp.version}.`),
    );
    return;
  }
  const outdir = join(folder, ".fairlead", "build");
  const manifest = await progress("bundle", () =>
    runBuild({ folder, outdir, target: options.target ?? "deploy", configFile: options.config, env }),
  );
  refuseImageLayers(manifest);
  warnOfCommands(manifest);
  const { tasks, queues } = await progress("read the tasks", () => readTasks(manifest, outdir, env, options));
  const bundle = await upload(api, manifest, outdir, options.cpu);
  const body = { project, bundle, tasks, queues, dryRun, promote: !skipPromotion };
  const deployed = await progress(dryRun ? "try the Tasks" : "make the Tasks", () =>
    call<Deployed>(api, { method: "POST", path: "/api/fairlead/v1/deployments", body }),
  );
  if (!dryRun) await setVariables(api, namespace, manifest);
  if (!dryRun && !skipPromotion && isSettled(manifest.inputs, manifest.startedAtMs))
    writeStamp(stampFile, stampOf(key, folder, manifest.inputs, filesOf(manifest), deployed.version));
  show(deployed, options, format);
}

/** Variables that a shell sets by itself change from one terminal to the next. */
const userVariables = (env: NodeJS.ProcessEnv): [string, string | undefined][] =>
  Object.entries(env)
    .filter(
      ([name]) =>
        !/^(_|SHLVL|PWD|OLDPWD|TERM.*|COLUMNS|LINES|WINDOWID|SSH_.*|XDG_.*|DBUS_.*|npm_.*)$/.test(name),
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));

async function currentVersion(api: Api, project: string): Promise<string | undefined> {
  const to = path`/api/fairlead/v1/deployments/${project}`;
  return (await call<{ current?: string }>(api, { path: to })).current;
}

const filesOf = ({ root, entries }: BuildManifest): string[] =>
  Object.keys(entries).map((entry) => join(root, entry));

async function readTasks(
  { entries, defaults }: BuildManifest,
  outdir: string,
  env: NodeJS.ProcessEnv,
  { standIns, target = "deploy" }: DeployOptions,
): Promise<{ tasks: DeployedTask[]; queues: object[] }> {
  const sources = new Map(Object.entries(entries).map(([source, module]) => [module, source]));
  const sourceOf = (file: string): string => sources.get(file) ?? file;
  const index = await indexTasks(outdir, [...sources.keys()], env, { standIns, sourceOf });
  return { tasks: deployedTasks(index, defaults, target), queues: index.queues };
}

function refuseImageLayers({ layers }: BuildManifest): void {
  for (const { extension, packages = [], instructions = [] } of layers) {
    if (packages.length === 0 && instructions.length === 0) continue;
    const what = packages.length > 0 ? `the packages ${packages.join(", ")}` : "steps of a Dockerfile";
    throw new CommandError(
      `build.extensions: ${extension} needs an image, since it asks for ${what}; build one on the runtime image, and name it in a Task`,
    );
  }
}

/** They are the project's to run: what they make must be there before the build. */
function warnOfCommands({ layers }: BuildManifest): void {
  for (const { extension, commands = [] } of layers)
    for (const command of commands)
      say(`warning: ${extension} asks for \`${command}\`, which deploy does not run: run it before`);
}

/** Those that extensions bring along, such as syncEnvVars; secret, as nothing says that they are not. */
async function setVariables(api: Api, namespace: string, { layers }: BuildManifest): Promise<void> {
  const variables = Object.assign({}, ...layers.map(({ env }) => env)) as Record<string, string>;
  const names = Object.keys(variables);
  if (names.length === 0) return;
  const body = { variables, override: true, isSecret: true };
  await call(api, { method: "POST", path: `${variablesPath(namespace)}/import`, body });
  say(`variables set: ${names.join(", ")}`);
}

const columns: Column<Change>[] = [
  { name: "KIND", of: (change) => change.kind },
  { name: "NAME", of: (change) => change.name },
  { name: "ACTION", of: (change) => change.action },
];

function show(deployed: Deployed, { project, dryRun, skipPromotion }: DeployOptions, format: Format): void {
  if (dryRun && format === "yaml") {
    for (const manifest of deployed.manifests ?? []) print(`---\n${stringify(manifest).trimEnd()}`);
    return;
  }
  if (skipPromotion) {
    printResult(deployed, format, () =>
      print(
        `Version ${deployed.version} of ${project} is stored; run it with: fairlead versions promote ${deployed.version}`,
      ),
    );
    return;
  }
  printResult(deployed, format, () => {
    for (const line of tableOf(deployed.changes, columns)) print(line);
    say(
      dryRun
        ? `Nothing was changed: this was a dry run of version ${deployed.version}.`
        : `${project} is at version ${deployed.version}.`,
    );
  });
}
