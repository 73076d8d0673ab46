/** A folder with a package.json as the tarball that npm installs. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { run } from "./exec.ts";
import { repoRoot } from "./paths.ts";

export interface Packed {
  /** Full path of the tarball. */
  tarball: string;
  bytes: number;
}

/** npm writes it apart and it is moved into place: an installation meanwhile reads a whole one. */
export async function archivePackage(stage: string, name: string): Promise<Packed> {
  const out = join(repoRoot, ".fairlead", "pack");
  mkdirSync(out, { recursive: true });
  const unfinished = mkdtempSync(join(out, "unfinished-"));
  try {
    await run("npm", ["pack", "--ignore-scripts", "--pack-destination", unfinished], { cwd: stage });
    const tarball = join(out, name);
    renameSync(join(unfinished, name), tarball);
    return { tarball, bytes: statSync(tarball).size };
  } finally {
    rmSync(unfinished, { recursive: true });
  }
}
