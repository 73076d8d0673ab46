/** Hashes of files and folders by content, mode and name, by which bundles and images are cached. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Hash of one file's content; a missing file hashes to "absent", which no real hash equals. */
export function hashFile(path: string): string {
  try {
    return createHash("sha256").update(readFileSync(path)).digest("hex");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "absent";
    throw error;
  }
}

/**
 * Hash of a file or of everything under a folder: names, kinds, permission bits, link targets and contents.
 */
export function hashTree(path: string): string {
  const hash = createHash("sha256");
  for (const line of describe(path, ".")) hash.update(line);
  return hash.digest("hex");
}

function* describe(path: string, name: string): Generator<string> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) {
    yield `${name} absent\n`;
  } else if (stat.isSymbolicLink()) {
    yield `${name} -> ${readlinkSync(path)}\n`;
  } else if (stat.isDirectory()) {
    yield `${name}/ ${stat.mode & 0o7777}\n`;
    for (const entry of readdirSync(path).sort()) yield* describe(join(path, entry), `${name}/${entry}`);
  } else {
    yield `${name} ${stat.mode & 0o7777} ${hashFile(path)}\n`;
  }
}

/** Hash of a list of texts; their borders count. */
export function hashTexts(...texts: string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:${text}`);
  return hash.digest("hex");
}
