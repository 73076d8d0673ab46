/** Which project a folder is: what its Tasks belong to. A name that a label may have. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { usageError } from "../errors.ts";

/** `given`, else package.json's name, else the folder's. */
export function projectOf(folder: string, given: string | undefined): string {
  const name = given ?? packageName(folder) ?? basename(folder);
  const project = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63)
    .replace(/-+$/, "");
  if (given !== undefined && project !== given)
    throw usageError(`--project: "${given}" must have 1 to 63 lower-case letters, digits and -`);
  if (project !== "") return project;
  throw usageError("--project: package.json has no name to take it from; give one");
}

function packageName(folder: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { name?: unknown };
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}
