/**
 * The task files as ES modules: one for each file, what they share split off, names kept, with source maps.
 * What upstream's bundler does to a project is done here as well, since its users' projects rely on it:
 * conditions, JSX in .js files, CommonJS shims, `server-only` as an empty module.
 */
import { existsSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";
import { CommandError } from "../errors.ts";
import { messageOf, type Project, shims } from "./config.ts";
import { type External, externalsPlugin } from "./externals.ts";

export interface Bundle {
  /** Paths of the written files, relative to `outdir`. */
  files: string[];
  /** For each task file, relative to the root, its module, relative to `outdir`. */
  entries: Record<string, string>;
  externals: External[];
  warnings: string[];
  /** Full paths of the sources. */
  sources: string[];
}

interface BundleOptions {
  outdir: string;
  /** From build extensions. */
  plugins?: Plugin[];
  external?: string[];
  conditions?: string[];
  define?: Record<string, string>;
}

/** Modules that only stop a bundler from putting server code into a page. */
const markers = /^(server-only|client-only)$/;

export async function bundleTasks(
  project: Project,
  files: readonly string[],
  options: BundleOptions,
): Promise<Bundle> {
  const { root, config } = project;
  const { build: settings = {} } = config;
  const found = new Map<string, External>();
  const external = [...(settings.external ?? []), ...(options.external ?? [])];
  const result = await build({
    entryPoints: [...files],
    outdir: options.outdir,
    outbase: root,
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: ["node20", "es2022"],
    outExtension: { ".js": ".mjs" },
    entryNames: "[dir]/[name]",
    chunkNames: "chunks/[name]-[hash]",
    assetNames: "assets/[name]-[hash]",
    keepNames: settings.keepNames ?? true,
    minify: settings.minify ?? false,
    sourcemap: "linked",
    sourcesContent: false,
    metafile: true,
    logLevel: "silent",
    conditions: [
      ...(settings.conditions ?? []),
      ...(options.conditions ?? []),
      "trigger.dev",
      "module",
      "node",
    ],
    loader: { ".js": "jsx", ".mjs": "jsx", ".cjs": "jsx", ".wasm": "copy" },
    jsx: settings.jsx?.automatic === false ? "transform" : "automatic",
    jsxFactory: settings.jsx?.factory,
    jsxFragment: settings.jsx?.fragment,
    tsconfig: tsconfigOf(project),
    banner: { js: shims },
    define: options.define,
    plugins: [...(options.plugins ?? []), emptyMarkers, externalsPlugin(external, found)],
  }).catch((error: unknown) => {
    throw new CommandError(`the tasks cannot be bundled:\n${messageOf(error)}`, 1, { cause: error });
  });
  const { outputs } = result.metafile;
  return {
    files: Object.keys(outputs)
      .map((path) => relative(options.outdir, join(root, path)))
      .sort(),
    entries: entriesOf(outputs, root, options.outdir, new Set(files)),
    externals: [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    sources: Object.keys(result.metafile.inputs)
      .map((path) => join(root, path))
      .filter((path) => existsSync(path)),
    warnings: result.warnings.map(({ text, location }) =>
      location ? `${location.file}:${location.line}: ${text}` : text,
    ),
  };
}

function entriesOf(
  outputs: Metafile["outputs"],
  root: string,
  outdir: string,
  files: ReadonlySet<string>,
): Record<string, string> {
  const entries: Record<string, string> = {};
  for (const [path, { entryPoint }] of Object.entries(outputs)) {
    if (entryPoint === undefined || !files.has(join(root, entryPoint))) continue;
    entries[entryPoint.split(sep).join("/")] = relative(outdir, join(root, path)).split(sep).join("/");
  }
  return entries;
}

function tsconfigOf({ root, config }: Project): string | undefined {
  if (config.tsconfig === undefined) return undefined;
  const path = join(root, config.tsconfig);
  if (!existsSync(path)) throw new CommandError(`tsconfig: there is no file ${path}`);
  return path;
}

const emptyMarkers: Plugin = {
  name: "markers",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: markers }, ({ path }) => ({ path, namespace: "marker" }));
    onLoad({ filter: /.*/, namespace: "marker" }, () => ({ contents: "" }));
  },
};
