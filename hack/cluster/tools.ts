/** kubectl and helm: those on PATH when both exist, else those of the built-in cluster's binary. */
import { which } from "../lib/exec.ts";
import { clusterBinaries } from "./builtin/binary.ts";

/** Folders to put first on PATH. */
export async function toolFolders({ compile }: { compile: boolean }): Promise<string[]> {
  if (which("kubectl") && which("helm")) return [];
  return [(await clusterBinaries({ compile })).tools];
}
