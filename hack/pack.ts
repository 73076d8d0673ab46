/**
 * `npm run pack`: `@fairlead/sdk` and `@fairlead/cli` as packages for projects outside of this repository.
 *
 *   .fairlead/pack/fairlead-sdk-<version>.tgz   what `npm install ./fairlead-sdk-….tgz` takes
 *   .fairlead/pack/fairlead-cli-<version>.tgz   the command (packCli.ts)
 *   .fairlead/pack/stage/                       the SDK as a folder; made anew each time
 *
 * It has ES modules, CommonJS and the types of both, for Node 20 and later, Bun and Deno, and no
 * dependencies. Fails when a bundle would need a package. Inside the repository `@fairlead/sdk` stays its
 * sources.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build as esbuild } from "esbuild";
import { archivePackage, type Packed } from "./lib/archivePackage.ts";
import { withLock } from "./lib/lock.ts";
import { repoRoot } from "./lib/paths.ts";
import { step } from "./lib/progress.ts";
import { packCli } from "./packCli.ts";
import { sdkDeclarations, writeDeclarations } from "./sdkTypes.ts";

const sdk = join(repoRoot, "sdk");
const out = join(repoRoot, ".fairlead", "pack");
const stage = join(out, "stage");
const typesFolder = join(stage, "dist", "types");

type Format = "esm" | "cjs";
const extensions = { esm: ".js", cjs: ".cjs" } as const;

export async function packSdk(): Promise<Packed> {
  return withLock("pack", async () => {
    rmSync(stage, { recursive: true, force: true });
    mkdirSync(stage, { recursive: true });
    const manifest = packageJson();
    await bundle("esm");
    await bundle("cjs");
    await types();
    writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    cpSync(join(repoRoot, "docs", "use", "sdk.md"), join(stage, "README.md"));
    const license = join(repoRoot, "LICENSE");
    if (existsSync(license)) cpSync(license, join(stage, "LICENSE"));
    return archivePackage(stage, `fairlead-sdk-${manifest.version}.tgz`);
  });
}

function packageJson() {
  const { name, version } = JSON.parse(readFileSync(join(sdk, "package.json"), "utf8")) as {
    name: string;
    version: string;
  };
  const { license } = JSON.parse(readFileSync(join(repoRoot, "package.json"), "utf8")) as { license: string };
  return {
    name,
    version,
    description: "Defines and triggers background tasks that run on Kubernetes with Fairlead",
    license,
    type: "module",
    sideEffects: false,
    engines: { node: ">=20" },
    exports: {
      ".": {
        import: { types: "./dist/types/sdk/src/index.d.ts", default: "./dist/esm/index.js" },
        require: { types: "./dist/types/sdk/src/index.d.cts", default: "./dist/cjs/index.cjs" },
      },
      "./package.json": "./package.json",
    },
    files: ["dist"],
  };
}

async function bundle(format: Format): Promise<void> {
  const extension = extensions[format];
  const { metafile } = await esbuild({
    absWorkingDir: repoRoot,
    entryPoints: { index: join(sdk, "src", "index.ts") },
    outdir: join(stage, "dist", format),
    outExtension: { ".js": extension },
    bundle: true,
    format,
    platform: "node",
    target: "node20",
    // ES modules: the client apart from `task()`, so that a bundle of tasks evaluates it when it triggers
    // something.
    splitting: format === "esm",
    chunkNames: "[name]-[hash]",
    // CommonJS: import() as require(), which also works where there are no ES modules (Jest).
    supported: { "dynamic-import": format === "esm" },
    logLevel: "error",
    legalComments: "none",
    metafile: true,
  });
  const foreign = Object.values(metafile.outputs)
    .flatMap((output) => output.imports)
    .filter(({ external, path }) => external && !path.startsWith("node:") && !path.startsWith("./"));
  if (foreign.length > 0) {
    throw new Error(
      `the SDK imports ${foreign.map(({ path }) => path).join(", ")}: it may have no dependencies`,
    );
  }
}

/** Declarations, twice: TypeScript reads from their names whether they are of ES modules or of CommonJS. */
async function types(): Promise<void> {
  const declarations = await sdkDeclarations({ comments: true });
  writeDeclarations(typesFolder, declarations, { "d.ts": extensions.esm, "d.cts": extensions.cjs });
}

if (import.meta.main) {
  const packed = [await step("pack @fairlead/sdk", packSdk), await step("pack @fairlead/cli", packCli)];
  for (const { tarball, bytes } of packed)
    console.log(`${relative(process.cwd(), tarball)}  ${(bytes / 1024).toFixed(0)} KiB`);
  console.log(`In your project: npm install ${packed.map(({ tarball }) => tarball).join(" ")}`);
}
