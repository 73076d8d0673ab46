/**
 * A folder as uploads: one archive, compressed, cut into parts that are named by their SHA-256. The same
 * files are the same parts, so what did not change is not sent again.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { type ArchiveFile, packArchive } from "@fairlead/protocol/archive";
import { partBytes } from "@fairlead/protocol/bundle";
import { CommandError } from "../errors.ts";

export interface Part {
  sha256: string;
  bytes: Uint8Array;
}

export async function partsOf(files: readonly ArchiveFile[]): Promise<Part[]> {
  const packed = await promisify(gzip)(packArchive(files), { level: 6 });
  const parts: Part[] = [];
  for (let at = 0; at < packed.length; at += partBytes) {
    const bytes = packed.subarray(at, at + partBytes);
    parts.push({ sha256: createHash("sha256").update(bytes).digest("hex"), bytes });
  }
  return parts;
}

/** Every file below; links are followed, those that lead out of the folder as well. */
export function readFiles(folder: string): ArchiveFile[] {
  const files: ArchiveFile[] = [];
  const open = new Set<string>();
  const walk = (at: string): void => {
    const real = realpathSync(at);
    if (open.has(real)) return;
    open.add(real);
    for (const entry of readdirSync(at)) {
      const path = join(at, entry);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat?.isDirectory()) walk(path);
      else if (stat?.isFile()) {
        const name = relative(folder, path).split(sep).join("/");
        files.push({ path: name, content: readFileSync(path), executable: (stat.mode & 0o100) !== 0 });
      }
    }
    open.delete(real);
  };
  walk(folder);
  return files;
}

/** Refuses what is too large to be a bundle; names what it is made of. */
export function checkSize(
  what: string,
  files: readonly ArchiveFile[],
  parts: readonly Part[],
  most: number,
): void {
  const total = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (total <= most) return;
  const sizes = new Map<string, number>();
  for (const { path, content } of files) {
    const name = groupOf(path);
    sizes.set(name, (sizes.get(name) ?? 0) + content.length);
  }
  const largest = [...sizes].sort((a, b) => b[1] - a[1]).slice(0, 5);
  const list = largest.map(([name, size]) => `${name} (${megabytes(size)})`).join(", ");
  throw new CommandError(
    `${what}: ${megabytes(total)} compressed, at most ${megabytes(most)}: largest are ${list}; build an image instead, or leave out what the tasks do not need`,
  );
}

const groupOf = (path: string): string =>
  /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split("/")[0] ?? path;

export const megabytes = (bytes: number): string =>
  `${(bytes / 1024 / 1024).toFixed(bytes < 10 * 1024 * 1024 ? 1 : 0)} MB`;
