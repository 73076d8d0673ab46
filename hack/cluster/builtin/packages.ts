/** Debian packages, installed when a command of theirs is missing. */
import { existsSync } from "node:fs";
import { run, tryRun, which } from "../../lib/exec.ts";
import { step } from "../../lib/progress.ts";
import { ClusterError } from "../provider.ts";

export interface PackagedCommand {
  /** A command on PATH, or the absolute path of a file. */
  command: string;
  package: string;
}

const aptEnvironment = { DEBIAN_FRONTEND: "noninteractive" };
const aptOptions = [
  "-qq",
  "-o",
  "Dpkg::Use-Pty=0",
  "-o",
  "DPkg::Lock::Timeout=300",
  "-o",
  "Acquire::Retries=3",
];

export async function ensurePackages(wanted: readonly PackagedCommand[]): Promise<void> {
  const missing = wanted.filter(({ command }) => !isThere(command));
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((item) => item.package))];
  if (!which("apt-get")) {
    throw new ClusterError(
      `missing: ${missing.map((item) => item.command).join(", ")}; there is no apt-get to install ` +
        `${names.join(", ")} with: install the packages yourself`,
    );
  }
  await step("Reading the package lists (apt-get update)", () =>
    // One unreachable list is not fatal: the package may be in another one.
    tryRun("apt-get", ["update", ...aptOptions], { env: aptEnvironment }),
  );
  for (const name of names) {
    await step(`Installing ${name}`, () =>
      run("apt-get", ["install", "-y", "--no-install-recommends", ...aptOptions, name], {
        env: aptEnvironment,
        timeoutMs: 15 * 60_000,
      }),
    );
  }
  const still = missing.filter(({ command }) => !isThere(command));
  if (still.length > 0) {
    throw new ClusterError(
      `still missing after the installation: ${still.map((item) => `${item.command} (${item.package})`).join(", ")}`,
    );
  }
}

function isThere(command: string): boolean {
  return command.startsWith("/") ? existsSync(command) : which(command) !== undefined;
}
