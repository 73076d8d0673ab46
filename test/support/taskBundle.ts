/** Task files as they are in a task's image: one file, with the SDK in it that they import. */
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "../..");

/** Packages in CommonJS that end up in an ES module still call require(). */
const banner = [
  'import { createRequire as __createRequire } from "node:module";',
  "const require = __createRequire(import.meta.url);",
].join("\n");

/** Bundles the source to `outfile`. `sdk` is the package that "@trigger.dev/sdk" stands for. */
export async function bundleTasks(
  source: string,
  outfile: string,
  sdk = "@trigger.dev/sdk",
): Promise<string> {
  await build({
    stdin: { contents: source, resolveDir: root, sourcefile: "tasks.ts", loader: "ts" },
    alias: sdk === "@trigger.dev/sdk" ? {} : { "@trigger.dev/sdk": sdk },
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    absWorkingDir: root,
    logLevel: "error",
    banner: { js: banner },
  });
  return outfile;
}
