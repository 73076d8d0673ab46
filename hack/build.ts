/**
 * `npm run build`: the bundles, each one ESM file with everything in it.
 *
 *   operator     operator/src/main.ts       → operator/dist/main.js, and lua/*.lua beside it
 *   runner       runtime-image/src/main.ts  → runtime-image/dist/runner.mjs (built-in modules only, small)
 *   hello-world  its tasks                  → examples/hello-world/dist/tasks.mjs (with the SDK in it)
 *   e2e-tasks    the end-to-end tests' tasks, likewise
 *   official-tasks    those with Trigger.dev's SDK in place of ours
 *
 * A bundle is made again only when a source file, the installed packages, this file or an output changed;
 * what was read is kept in .fairlead/build/<name>.json. Image builds rely on dist/ holding nothing else.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";
import { type BuildOptions, build as esbuild, type Metafile } from "esbuild";
import { hashFile, hashTexts, hashTree } from "./images/contentHash.ts";

const root = join(import.meta.dirname, "..");

export type BundleName = "operator" | "runner" | "hello-world" | "e2e-tasks" | "official-tasks";

interface BundleResult {
  outfile: string;
  bytes: number;
  cached: boolean;
  milliseconds: number;
}

interface Bundle {
  entry: string;
  outfile: string;
  options: Pick<BuildOptions, "banner" | "keepNames" | "sourcemap">;
  /** A folder copied beside the bundle, when it exists. */
  assets?: { from: string; to: string };
  /** Bundles that run inside a task's container: built-in modules only, at most so many bytes. */
  maxBytes?: number;
}

interface Stamp {
  key: string;
  inputs: Record<string, string>;
  outputs: Record<string, number>;
}

/** Packages in CommonJS that end up in an ES module still call require() and read __dirname. */
const commonJsBanner = [
  'import { createRequire as __createRequire } from "node:module";',
  "const require = __createRequire(import.meta.url);",
  "const __filename = import.meta.filename;",
  "const __dirname = import.meta.dirname;",
].join("\n");

const bundles: Record<BundleName, Bundle> = {
  operator: {
    entry: "operator/src/main.ts",
    outfile: "operator/dist/main.js",
    options: { keepNames: true, sourcemap: "linked", banner: { js: commonJsBanner } },
    assets: { from: "operator/src/queue/lua", to: "operator/dist/lua" },
  },
  runner: {
    entry: "runtime-image/src/main.ts",
    outfile: "runtime-image/dist/runner.mjs",
    options: {},
    maxBytes: 144 * 1024,
  },
  "hello-world": {
    entry: "examples/hello-world/src/tasks.ts",
    outfile: "examples/hello-world/dist/tasks.mjs",
    options: { keepNames: true },
    maxBytes: 256 * 1024,
  },
  "e2e-tasks": {
    entry: "test/e2e/fixtures/tasks/tasks.ts",
    outfile: "test/e2e/fixtures/tasks/dist/tasks.mjs",
    options: { keepNames: true, banner: { js: commonJsBanner } },
    // One of its tasks brings the official SDK along.
    maxBytes: 4 * 1024 * 1024,
  },
  "official-tasks": {
    entry: "test/e2e/fixtures/official/tasks.ts",
    outfile: "test/e2e/fixtures/official/dist/tasks.mjs",
    options: { keepNames: true, banner: { js: commonJsBanner } },
    maxBytes: 4 * 1024 * 1024,
  },
};

const bundleNames = Object.keys(bundles) as BundleName[];

export async function build(
  names: readonly BundleName[] = bundleNames,
): Promise<Partial<Record<BundleName, BundleResult>>> {
  const results: Partial<Record<BundleName, BundleResult>> = {};
  for (const name of names) results[name] = await buildOne(name, bundles[name]);
  return results;
}

async function buildOne(name: BundleName, bundle: Bundle): Promise<BundleResult> {
  const started = performance.now();
  const stampFile = join(root, ".fairlead", "build", `${name}.json`);
  const key = toolKey(bundle);
  const cached = isCurrent(readStamp(stampFile), key);
  if (!cached) await make(bundle, stampFile, key);
  return {
    outfile: bundle.outfile,
    bytes: statSync(join(root, bundle.outfile)).size,
    cached,
    milliseconds: Math.round(performance.now() - started),
  };
}

async function make(bundle: Bundle, stampFile: string, key: string): Promise<void> {
  if (!existsSync(join(root, bundle.entry))) throw new Error(`${bundle.entry} does not exist`);
  rmSync(stampFile, { force: true });
  rmSync(join(root, dirname(bundle.outfile)), { recursive: true, force: true });
  const { metafile } = await esbuild({
    absWorkingDir: root,
    entryPoints: [bundle.entry],
    outfile: bundle.outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    logLevel: "error",
    legalComments: "none",
    ...bundle.options,
    metafile: true,
  });
  if (bundle.maxBytes !== undefined) checkSelfContained(bundle.outfile, bundle.maxBytes, metafile);
  // Node takes main.js for an ES module only when a package.json says so.
  if (bundle.outfile.endsWith(".js")) {
    writeFileSync(join(root, dirname(bundle.outfile), "package.json"), '{"type":"module"}\n');
  }
  const inputs = Object.keys(metafile.inputs).filter((path) => !path.includes("node_modules/"));
  if (bundle.assets && existsSync(join(root, bundle.assets.from))) {
    cpSync(join(root, bundle.assets.from), join(root, bundle.assets.to), { recursive: true });
  }
  const outputs = Object.keys(metafile.outputs);
  const stamp: Stamp = {
    key,
    inputs: Object.fromEntries(inputs.map((path) => [path, hashFile(join(root, path))])),
    outputs: Object.fromEntries(outputs.map((path) => [path, statSync(join(root, path)).size])),
  };
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, JSON.stringify(stamp, null, 1));
}

/**
 * Fails when the bundle would need a package in the image, or grew beyond what a container start should read.
 */
function checkSelfContained(outfile: string, maxBytes: number, metafile: Pick<Metafile, "outputs">): void {
  const output = metafile.outputs[outfile];
  if (!output) throw new Error(`${outfile} was not written`);
  const foreign = output.imports
    .filter((item) => item.external && !item.path.startsWith("node:") && !builtinModules.includes(item.path))
    .map((item) => item.path);
  if (foreign.length > 0) {
    throw new Error(`${outfile} imports ${foreign.join(", ")}: only node: built-ins may stay outside of it`);
  }
  if (output.bytes > maxBytes) {
    throw new Error(`${outfile} has ${output.bytes} bytes, more than the ${maxBytes} it may have`);
  }
}

/** What decides about a bundle besides its own source files. */
function toolKey(bundle: Bundle): string {
  const tools = ["hack/build.ts", "tsconfig.json", "node_modules/.package-lock.json"];
  const assets = bundle.assets ? hashTree(join(root, bundle.assets.from)) : "";
  return hashTexts(JSON.stringify(bundle), assets, ...tools.map((path) => hashFile(join(root, path))));
}

function isCurrent(stamp: Stamp | undefined, key: string): boolean {
  if (stamp?.key !== key) return false;
  return (
    Object.entries(stamp.inputs).every(([path, hash]) => hashFile(join(root, path)) === hash) &&
    Object.entries(stamp.outputs).every(
      ([path, size]) => statSync(join(root, path), { throwIfNoEntry: false })?.size === size,
    )
  );
}

function readStamp(path: string): Stamp | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Stamp;
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  const unknown = process.argv.slice(2).filter((name) => !bundleNames.includes(name as BundleName));
  if (unknown.length > 0) {
    console.error(`no bundle named ${unknown.join(", ")}; there are ${bundleNames.join(", ")}`);
    process.exit(2);
  }
  const names = process.argv.slice(2) as BundleName[];
  const results = await build(names.length > 0 ? names : bundleNames);
  for (const { outfile, bytes, cached, milliseconds } of Object.values(results)) {
    console.log(
      `${outfile}  ${(bytes / 1024).toFixed(0)} KiB  ${cached ? "unchanged" : "built"} in ${milliseconds} ms`,
    );
  }
}
