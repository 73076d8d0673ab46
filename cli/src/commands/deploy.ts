/**
 * `fairlead deploy`: a folder of task files becomes Tasks, without an image. Bundled and read on this
 * machine, sent to the bucket by parts that are not there yet, made Tasks, TaskQueues and schedules by the
 * API in one step: all of it or nothing.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import { stringify } from "yaml";
import { type Api, call } from "../api.ts";
import { projectEnv, runBuild } from "../build/build.ts";
import { installDependencies, type Platform } from "../build/dependencies.ts";
import type { BuildManifest } from "../build/manifest.ts";
import { checkSize, megabytes, type Part, partsOf, readFiles } from "../build/parts.ts";
import { isSettled, readStamp, stampKey, stampOf, writeStamp } from "../build/stamp.ts";
import { indexTasks } from "../build/taskIndex.ts";
import { calling } from "../command.ts";
import { type DeployedTask, deployedTasks } from "../deployment.ts";
import { CommandError, usageError } from "../errors.ts";
import { type Column, type Format, printResult, tableOf } from "../output.ts";
import { print, progress, say } from "../terminal.ts";
import { listVariables, namespaceOfKey } from "../variables.ts";
import { version as cliVersion } from "../version.ts";

interface DeployFlags {
  config?: string;
  project?: string;
  dryRun?: boolean;
  skipPromotion?: boolean;
  standIns?: boolean;
  cpu: string;
}

export interface Change {
  kind: string;
  name: string;
  action: string;
}

export interface Deployed {
  version: string;
  changes: Change[];
  manifests?: object[];
}

const codeBytes = 64 * 1024 * 1024;
const dependencyBytes = 256 * 1024 * 1024;
const uploadsAtOnce = 4;

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

export type DeployOptions = DeployFlags & { project: string; envFile?: string; target?: "deploy" | "dev" };

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
  const { tasks, queues } = await progress("read the tasks", () =>
    readTasks(manifest, outdir, env, options.standIns),
  );
  const bundle = await upload(api, manifest, outdir, options);
  const body = { project, bundle, tasks, queues, dryRun, promote: !skipPromotion };
  const deployed = await progress(dryRun ? "try the Tasks" : "make the Tasks", () =>
    call<Deployed>(api, { method: "POST", path: "/api/fairlead/v1/deployments", body }),
  );
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
  return (
    await call<{ current?: string }>(api, {
      path: `/api/fairlead/v1/deployments/${encodeURIComponent(project)}`,
    })
  ).current;
}

const filesOf = ({ root, entries }: BuildManifest): string[] =>
  Object.keys(entries).map((entry) => join(root, entry));

async function readTasks(
  { entries, defaults }: BuildManifest,
  outdir: string,
  env: NodeJS.ProcessEnv,
  standIns: boolean | undefined,
): Promise<{ tasks: DeployedTask[]; queues: object[] }> {
  const sources = new Map(Object.entries(entries).map(([source, module]) => [module, source]));
  const sourceOf = (file: string): string => sources.get(file) ?? file;
  const index = await indexTasks(outdir, [...sources.keys()], env, { standIns, sourceOf });
  return { tasks: deployedTasks(index, defaults, (file) => file), queues: index.queues };
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

async function upload(
  api: Api,
  manifest: BuildManifest,
  outdir: string,
  { cpu }: DeployFlags,
): Promise<{ code: string[]; dependencies?: string[] }> {
  if (cpu !== "x64" && cpu !== "arm64") throw usageError(`--cpu: "${cpu}" is none; it must be x64 or arm64`);
  const platform: Platform = { os: "linux", cpu, libc: "glibc" };
  const files = readFiles(outdir);
  const code = await partsOf(files);
  checkSize("the code", files, code, codeBytes);
  const installed = await progress("install packages that cannot be bundled", () =>
    installDependencies(manifest, platform),
  );
  const packages = installed
    ? readFiles(join(installed, "node_modules")).map((file) => ({
        ...file,
        path: `node_modules/${file.path}`,
      }))
    : [];
  const dependencies = packages.length > 0 ? await partsOf(packages) : [];
  checkSize("the packages", packages, dependencies, dependencyBytes);
  await send(api, [...code, ...dependencies]);
  const hashes = (parts: Part[]): string[] => parts.map(({ sha256 }) => sha256);
  return { code: hashes(code), dependencies: dependencies.length > 0 ? hashes(dependencies) : undefined };
}

/** Those that the bucket does not have. */
async function send(api: Api, parts: readonly Part[]): Promise<void> {
  const body = { parts: parts.map(({ sha256 }) => sha256) };
  const { uploads } = await call<{ uploads: Record<string, string> }>(api, {
    method: "POST",
    path: "/api/fairlead/v1/deployments/uploads",
    body,
  });
  const missing = parts.filter(({ sha256 }) => uploads[sha256] !== undefined);
  if (missing.length === 0) return;
  const bytes = missing.reduce((sum, part) => sum + part.bytes.length, 0);
  await progress(`upload ${megabytes(bytes)}`, async () => {
    let next = 0;
    const work = async (): Promise<void> => {
      for (let part = missing[next++]; part; part = missing[next++])
        await put(uploads[part.sha256] ?? "", part);
    };
    await Promise.all(Array.from({ length: uploadsAtOnce }, work));
  });
}

async function put(url: string, { bytes, sha256 }: Part): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, {
      method: "PUT",
      body: bytes as Uint8Array<ArrayBuffer>,
      headers: { "content-type": "application/gzip" },
    }).catch((error: Error) => error);
    if (!(response instanceof Error) && response.ok) return;
    if (attempt < 3 && (response instanceof Error || response.status >= 429)) continue;
    const reason =
      response instanceof Error
        ? response.message
        : `status ${response.status} ${(await response.text()).slice(0, 200)}`;
    throw new CommandError(`the upload of ${sha256.slice(0, 12)}… failed: ${reason}`);
  }
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

export function projectOf(folder: string, given: string | undefined): string {
  const name = given ?? packageName(folder) ?? basename(folder);
  const project = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63)
    .replace(/-+$/, "");
  if (given !== undefined && project !== given)
    throw usageError(`--project: "${given}" must have 1 to 63 lower-case letters, digits and -`);
  if (project !== "") return project;
  throw usageError("--project: package.json has no name to take it from; give one");
}

function packageName(folder: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { name?: unknown };
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}
