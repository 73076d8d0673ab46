/**
 * What the last deploy of a folder was made of, so that the next one sees at once that nothing changed: the
 * sources, the lockfile, the variables, this program, and where it went. Kept in .fairlead/, which nobody
 * commits; without it a deploy is only slower.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Stamp {
  /** Of everything that is no file: address, namespace, options, variables, this program's version. */
  key: string;
  inputs: Record<string, string>;
  /** Folders of the task files, and the names in them. */
  folders: Record<string, string>;
  version: string;
}

const lockfiles = [
  "package-lock.json",
  "pnpm-lock.yaml",
  "yarn.lock",
  "bun.lock",
  "bun.lockb",
  "package.json",
  "tsconfig.json",
];

/** `mtime:size`, or empty when it is not there. */
export function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.mtimeMs}:${stat.size}` : "";
}

const namesIn = (folder: string): string => {
  try {
    return readdirSync(folder).sort().join("\n");
  } catch {
    return "";
  }
};

export function stampOf(
  key: string,
  folder: string,
  inputs: Record<string, string>,
  entries: readonly string[],
  version: string,
): Stamp {
  const locks = lockfiles.map((name) => join(folder, name));
  const folders = [...new Set(entries.map((entry) => dirname(entry)))];
  return {
    key,
    inputs: { ...inputs, ...Object.fromEntries(locks.map((path) => [path, stateOf(path)])) },
    folders: Object.fromEntries(folders.map((path) => [path, namesIn(path)])),
    version,
  };
}

/** The stamp, if what it was made of is still so. */
export function readStamp(file: string, key: string): Stamp | undefined {
  try {
    const stamp = JSON.parse(readFileSync(file, "utf8")) as Stamp;
    const isSame =
      stamp.key === key &&
      Object.entries(stamp.inputs).every(([path, state]) => stateOf(path) === state) &&
      Object.entries(stamp.folders).every(([path, names]) => namesIn(path) === names);
    return isSame ? stamp : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a file was written while it was read: what was bundled may be older than its state says. */
export const isSettled = (inputs: Record<string, string>, startedAtMs: number): boolean =>
  Object.values(inputs).every((state) => Number(state.split(":")[0]) < startedAtMs);

export function writeStamp(file: string, stamp: Stamp): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(stamp));
}

export const stampKey = (...parts: unknown[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex");
