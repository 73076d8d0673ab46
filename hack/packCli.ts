/**
 * The command `fairlead` as a package: three programs in one folder, each one file.
 *
 *   dist/main.mjs     the command            dist/worker.mjs   a project's build, a process of its own
 *   dist/runner.mjs   the runner, which tells what bundled files define
 *   bin.mjs           says which Node is needed before anything newer is loaded
 *
 * Only esbuild stays a dependency: it has a binary for each platform.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { build as esbuild } from "esbuild";
import { build } from "./build.ts";
import { archivePackage, type Packed } from "./lib/archivePackage.ts";
import { withLock } from "./lib/lock.ts";
import { repoRoot } from "./lib/paths.ts";

const cli = join(repoRoot, "cli");
const stage = join(repoRoot, ".fairlead", "pack", "cli");

const bin = `#!/usr/bin/env node
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 12)) {
  console.error("fairlead needs Node 22.12 or later, this is " + process.version);
  process.exit(2);
}
import("./dist/main.mjs");
`;

/** Packages in CommonJS that end up in an ES module still call require(). */
const commonJsBanner =
  'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);';

export async function packCli(): Promise<Packed> {
  return withLock("pack-cli", async () => {
    rmSync(stage, { recursive: true, force: true });
    mkdirSync(join(stage, "dist"), { recursive: true });
    const { runner } = await build(["runner"]);
    if (!runner) throw new Error("the runner was not built");
    copyFileSync(join(repoRoot, runner.outfile), join(stage, "dist", "runner.mjs"));
    await esbuild({
      absWorkingDir: repoRoot,
      entryPoints: { main: join(cli, "src", "main.ts"), worker: join(cli, "src", "build", "worker.ts") },
      outdir: join(stage, "dist"),
      outExtension: { ".js": ".mjs" },
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node22",
      external: ["esbuild"],
      logLevel: "error",
      legalComments: "none",
      banner: { js: commonJsBanner },
    });
    const manifest = packageJson();
    writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    writeFileSync(join(stage, "bin.mjs"), bin);
    chmodSync(join(stage, "bin.mjs"), 0o755);
    cpSync(join(repoRoot, "docs", "use", "cli.md"), join(stage, "README.md"));
    const license = join(repoRoot, "LICENSE");
    if (existsSync(license)) cpSync(license, join(stage, "LICENSE"));
    return archivePackage(stage, `fairlead-cli-${manifest.version}.tgz`);
  });
}

interface Manifest {
  name: string;
  version: string;
  license: string;
  dependencies: Record<string, string>;
}

function packageJson() {
  const read = (...path: string[]): Manifest =>
    JSON.parse(readFileSync(join(repoRoot, ...path), "utf8")) as Manifest;
  const { name, version, dependencies } = read("cli", "package.json");
  return {
    name,
    version,
    description: "The command fairlead: deploys, triggers and follows background tasks on Kubernetes",
    license: read("package.json").license,
    type: "module",
    engines: { node: ">=22.12" },
    bin: { fairlead: "bin.mjs", "kubectl-fairlead": "bin.mjs" },
    dependencies: { esbuild: dependencies.esbuild },
    files: ["bin.mjs", "dist"],
  };
}
