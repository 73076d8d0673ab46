/**
 * Packages that cannot be bundled, installed for the cluster's nodes: npm fetches the builds for Linux,
 * whatever this machine is, and runs no package's scripts. What is installed is kept by what was asked for,
 * in the user's cache, so that a deploy without a new version installs nothing.
 */
import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CommandError } from "../errors.ts";
import type { BuildManifest } from "./manifest.ts";

export interface Platform {
  os: "linux";
  cpu: string;
  libc: "glibc";
}

/** Folder with `node_modules`; undefined when there is nothing to install. */
export async function installDependencies(
  manifest: BuildManifest,
  platform: Platform,
): Promise<string | undefined> {
  const wanted = wantedOf(manifest);
  const names = Object.keys(wanted);
  if (names.length === 0) return undefined;
  const asked = JSON.stringify({ wanted, platform });
  const key = createHash("sha256").update(asked).digest("hex").slice(0, 32);
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "fairlead", "dependencies");
  const folder = join(cache, key);
  if (existsSync(folder)) return folder;
  const unfinished = join(cache, `${key}-${randomUUID()}`);
  mkdirSync(unfinished, { recursive: true });
  try {
    writeFileSync(
      join(unfinished, "package.json"),
      JSON.stringify({ private: true, dependencies: wanted }, null, 2),
    );
    const { os, cpu, libc } = platform;
    const flags = [
      "--ignore-scripts",
      "--omit=dev",
      "--no-audit",
      "--no-fund",
      "--no-package-lock",
      "--legacy-peer-deps",
    ];
    await npm(["install", ...flags, `--os=${os}`, `--cpu=${cpu}`, `--libc=${libc}`], unfinished);
    refuseUnbuilt(unfinished, names);
    try {
      renameSync(unfinished, folder);
    } catch (error) {
      // Another deploy has just finished the same.
      if (!existsSync(folder)) throw error;
    }
    return folder;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

function wantedOf({ externals, layers }: BuildManifest): Record<string, string> {
  const wanted: Record<string, string> = {};
  for (const { name, version } of externals) wanted[name] = version;
  for (const { dependencies = {} } of layers)
    for (const [name, version] of Object.entries(dependencies)) wanted[name] ??= version;
  return Object.fromEntries(Object.entries(wanted).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A package that compiles itself when it is installed has nothing to load without that. */
function refuseUnbuilt(folder: string, names: readonly string[]): void {
  const unbuilt = names.filter((name) => {
    const at = join(folder, "node_modules", name);
    if (
      !existsSync(join(at, "binding.gyp")) ||
      existsSync(join(at, "prebuilds")) ||
      existsSync(join(at, "build"))
    )
      return false;
    const { optionalDependencies, scripts } = JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as {
      optionalDependencies?: object;
      scripts?: Record<string, string>;
    };
    return (
      optionalDependencies === undefined &&
      (scripts?.install !== undefined || scripts?.preinstall !== undefined)
    );
  });
  if (unbuilt.length === 0) return;
  throw new CommandError(
    `${unbuilt.join(", ")}: has no binary for Linux, it is compiled when it is installed; tasks that need it are built as an image`,
  );
}

async function npm(args: readonly string[], cwd: string): Promise<void> {
  const child = spawn("npm", args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      output = (output + data.toString()).slice(-8_192);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  }).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      error.code === "ENOENT"
        ? "npm is not installed: it is needed for packages that cannot be bundled"
        : error.message,
    );
  });
  if (code !== 0) throw new CommandError(`npm ${args[0]} failed:\n${output.trim()}`);
}
