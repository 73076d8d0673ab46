/**
 * One cgroup for each node, in which its kubelet puts the pods: version 1 (a hierarchy for each controller)
 * and version 2 (one for all). For the `cgroupfs` driver, so that systemd is not needed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../../lib/wait.ts";
import { ClusterError } from "../provider.ts";

const mountPoint = "/sys/fs/cgroup";

function cgroupVersion(): 1 | 2 {
  return existsSync(join(mountPoint, "cgroup.controllers")) ? 2 : 1;
}

export function ensureCgroup(name: string): void {
  if (cgroupVersion() === 2) ensureUnified(name);
  else ensureHierarchies(name);
}

/** Kills every process in the cgroup and removes it. */
export async function removeCgroup(name: string): Promise<void> {
  const roots = hierarchies()
    .map((dir) => join(dir, name))
    .filter(existsSync);
  if (roots.length === 0) return;
  await waitFor(`removal of cgroup ${name}`, () => roots.every(tryRemove), {
    timeoutMs: 20_000,
    intervalMs: 50,
    describe: () => `processes left: ${roots.flatMap(processesBelow).join(" ")}`,
  });
}

function tryRemove(root: string): boolean {
  for (const pid of processesBelow(root)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // has ended
    }
  }
  for (const dir of [...foldersBelow(root)].reverse()) {
    try {
      rmdirSync(dir);
    } catch {
      return false; // a killed process has not ended yet
    }
  }
  return true;
}

function processesBelow(root: string): number[] {
  return foldersBelow(root).flatMap((dir) => {
    const text = readOr(join(dir, "cgroup.procs"), "");
    return text.split("\n").filter(Boolean).map(Number);
  });
}

/** The folder and all below it, parents first. */
function foldersBelow(root: string): string[] {
  if (!existsSync(root)) return [];
  const found = [root];
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    if (entry.isDirectory()) found.push(...foldersBelow(join(root, entry.name)));
  }
  return found;
}

/** The folder of every mounted hierarchy; one in version 2. */
function hierarchies(): string[] {
  if (cgroupVersion() === 2) return [mountPoint];
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => / - cgroup /.test(line))
    .map((line) => line.split(" ")[4] ?? "")
    .filter((dir) => dir.startsWith(`${mountPoint}/`));
}

function ensureHierarchies(name: string): void {
  const dirs = hierarchies();
  if (dirs.length === 0) {
    throw new ClusterError(`no cgroups below ${mountPoint}: this machine or container does not provide them`);
  }
  for (const dir of dirs) {
    mkdirSync(join(dir, name), { recursive: true });
    // A new cpuset is empty, and no process can enter an empty one.
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      if (!existsSync(join(dir, file)) || readOr(join(dir, name, file), "").trim()) continue;
      writeFileSync(join(dir, name, file), readFileSync(join(dir, file)));
    }
  }
}

function ensureUnified(name: string): void {
  const controllers = readFileSync(join(mountPoint, "cgroup.controllers"), "utf8").trim().split(/\s+/);
  mkdirSync(join(mountPoint, name), { recursive: true });
  for (const controller of controllers) {
    try {
      enable(controller);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
      // In a container: a cgroup with processes cannot enable controllers for its children, so move them into
      // a child.
      emptyRoot();
      enable(controller);
    }
  }
}

function enable(controller: string): void {
  writeFileSync(join(mountPoint, "cgroup.subtree_control"), `+${controller}`);
}

function emptyRoot(): void {
  const leaf = join(mountPoint, "init");
  mkdirSync(leaf, { recursive: true });
  for (const pid of readFileSync(join(mountPoint, "cgroup.procs"), "utf8").split("\n").filter(Boolean)) {
    try {
      writeFileSync(join(leaf, "cgroup.procs"), pid);
    } catch {
      // has ended, or is a kernel thread
    }
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
