/** Runs the build worker as a child process, with the project's variables in its environment. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { CommandError } from "../errors.ts";
import { say } from "../terminal.ts";
import type { BuildManifest } from "./manifest.ts";

interface BuildRequest {
  folder: string;
  outdir: string;
  target: "deploy" | "dev";
  /** `--config` */
  configFile?: string;
  env: NodeJS.ProcessEnv;
}

/** Beside this file: sources in the repository, bundles in the package. */
const siblingProgram = (name: string): string => {
  const built = join(import.meta.dirname, `${name}.mjs`);
  return existsSync(built) ? built : join(import.meta.dirname, `${name}.ts`);
};

export async function runBuild({
  folder,
  outdir,
  target,
  configFile,
  env,
}: BuildRequest): Promise<BuildManifest> {
  const args = [siblingProgram("worker"), folder, outdir, target, ...(configFile ? [configFile] : [])];
  const { result, output } = await runNode(args, folder, env);
  if (result === undefined)
    throw new CommandError(`the build ended without a result:\n${output.trim() || "it said nothing"}`);
  const manifest = JSON.parse(result) as BuildManifest | { error: string };
  if ("error" in manifest)
    throw new CommandError([manifest.error, output.trim()].filter((text) => text !== "").join("\n"));
  for (const warning of manifest.warnings.slice(0, 10)) say(`warning: ${warning}`);
  return manifest;
}

/** A child whose result is what it writes to descriptor 3; what it prints is kept for an error. */
async function runNode(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ result?: string; output: string; code: number | null }> {
  const child = spawn(process.execPath, ["--enable-source-maps", ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const stop = (): void => void child.kill("SIGKILL");
  process.once("exit", stop);
  let output = "";
  const keep = (data: Buffer): void => {
    output = (output + data.toString()).slice(-16_384);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const result: Buffer[] = [];
  child.stdio[3]?.on("data", (data: Buffer) => result.push(data));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  process.removeListener("exit", stop);
  return { result: result.length > 0 ? Buffer.concat(result).toString("utf8") : undefined, output, code };
}

/** A child whose result is its standard output, which may be large. */
export async function runCaptured(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ stdout: string; stderr: string; code: number | null }> {
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => void child.kill("SIGKILL");
  process.once("exit", stop);
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (data: Buffer) => stdout.push(data));
  child.stderr.on("data", (data: Buffer) => {
    stderr = (stderr + data.toString()).slice(-16_384);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  process.removeListener("exit", stop);
  return { stdout: Buffer.concat(stdout).toString("utf8"), stderr, code };
}

/** The process's environment over the folder's `.env` and `--env-file`. */
export function projectEnv(folder: string, envFile?: string): NodeJS.ProcessEnv {
  const files = [join(folder, ".env"), ...(envFile ? [join(folder, envFile)] : [])];
  const read = files.filter((file) => existsSync(file)).map((file) => parseEnv(readFileSync(file, "utf8")));
  return { ...Object.assign({}, ...read), ...process.env };
}
