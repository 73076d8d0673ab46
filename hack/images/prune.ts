/**
 * Keeps the last three of each image: archives in the cache (the last used ones), images in the engine's
 * storage.
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "../lib/paths.ts";
import { type Engine, localRegistry } from "./engine.ts";

const kept = 3;
const archivePattern = /^(.+)-([0-9a-f]{16})\.tar$/;

interface Archive {
  name: string;
  hash: string;
  usedAt: number;
}

/** Of all archives, those to delete. */
export function surplus(archives: readonly Archive[]): Archive[] {
  const newestFirst = [...archives].sort((a, b) => b.usedAt - a.usedAt);
  const seen = new Map<string, number>();
  return newestFirst.filter(({ name }) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count > kept;
  });
}

/** `base` is the one in use, if known; any other can be rebuilt. */
export async function prune(engine: Engine, base: string | undefined): Promise<void> {
  const folder = cacheDir("images");
  const archives = readdirSync(folder).flatMap((file): Archive[] => {
    const [, name, hash] = archivePattern.exec(file) ?? [];
    if (!name || !hash) return [];
    return [{ name, hash, usedAt: statSync(join(folder, file)).mtimeMs }];
  });
  const removed = surplus(archives);
  for (const { name, hash } of removed) rmSync(join(folder, `${name}-${hash}.tar`), { force: true });
  const gone = new Set(removed.map(({ name, hash }) => `${localRegistry}/${name}:${hash}`));
  for (const ref of await engine.list()) {
    const oldBase = base !== undefined && ref.startsWith(`${localRegistry}/base:`) && ref !== base;
    if (gone.has(ref) || oldBase) await engine.remove(ref);
  }
}
