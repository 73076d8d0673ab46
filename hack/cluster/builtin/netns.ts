/** Network namespaces by name, with the `ip` command. */
import { existsSync, statSync } from "node:fs";
import { run, tryRun } from "../../lib/exec.ts";

export function netnsPath(name: string): string {
  return `/run/netns/${name}`;
}

/** A crash between creating the file and mounting the namespace on it leaves only the file. */
export function netnsExists(name: string): boolean {
  const path = netnsPath(name);
  return existsSync(path) && statSync(path).dev !== statSync("/run/netns").dev;
}

export async function ensureNetns(name: string): Promise<void> {
  if (netnsExists(name)) return;
  await removeNetns(name);
  await run("ip", ["netns", "add", name]);
}

export async function removeNetns(name: string): Promise<void> {
  if (!existsSync(netnsPath(name))) return;
  await tryRun("umount", ["--lazy", netnsPath(name)]);
  await tryRun("ip", ["netns", "delete", name]);
}

/** Runs `ip` in a namespace, or on the host. */
export async function ip(netns: string | undefined, ...args: string[]): Promise<string> {
  const { stdout } = await run("ip", netns ? ["-n", netns, ...args] : args);
  return stdout;
}

export async function linkExists(netns: string | undefined, link: string): Promise<boolean> {
  const { code } = await tryRun("ip", [...(netns ? ["-n", netns] : []), "link", "show", "dev", link]);
  return code === 0;
}

/** Processes in a namespace; none when there is no such namespace. */
export async function netnsPids(name: string): Promise<number[]> {
  if (!netnsExists(name)) return [];
  const { stdout } = await run("ip", ["netns", "pids", name]);
  return stdout.split("\n").filter(Boolean).map(Number);
}

export async function sysctl(netns: string, ...settings: string[]): Promise<void> {
  await run("nsenter", [`--net=${netnsPath(netns)}`, "--", "sysctl", "-qw", ...settings]);
}
