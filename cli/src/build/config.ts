/**
 * The project's configuration, as people write it: `trigger.config.ts` or `fairlead.config.ts`, a default
 * export or one that is named `config`. It is compiled beside itself, so that its imports resolve as they do
 * for its author, and evaluated in this process, which is a child of the command's (worker.ts): it may throw,
 * exit, or print.
 *
 * What a config says about another system (`project`, `telemetry`, `instrumentations` …) is left alone, and
 * never a reason to fail.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import { CommandError, usageError } from "../errors.ts";

interface BuildExtension {
  name?: string;
  onBuildStart?: (context: unknown) => unknown;
  onBuildComplete?: (context: unknown, manifest: unknown) => unknown;
  externalsForTarget?: (target: string) => unknown;
}

export interface Retry {
  maxAttempts?: number;
  factor?: number;
  minTimeoutInMs?: number;
  maxTimeoutInMs?: number;
  randomize?: boolean;
}

/** What deploy reads of it. */
interface ProjectConfig {
  dirs?: string[];
  ignorePatterns?: string[];
  tsconfig?: string;
  maxDuration?: number;
  machine?: string;
  ttl?: string | number;
  retries?: { enabledInDev?: boolean; default?: Retry };
  build?: {
    external?: (string | RegExp)[];
    conditions?: string[];
    extensions?: BuildExtension[];
    jsx?: { factory?: string; fragment?: string; automatic?: boolean };
    keepNames?: boolean;
    minify?: boolean;
  };
}

export interface Project {
  /** Folder of the config: paths in it are relative to it. */
  root: string;
  /** Full path; undefined when there is no config. */
  configFile?: string;
  config: ProjectConfig;
}

const bases = ["fairlead.config", "trigger.config"];
const extensions = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"];
const sdkPattern = /^(@trigger\.dev\/sdk(\/v3)?|@fairlead\/sdk)$/;

/** `given`: the file that `--config` names. */
export async function loadProject(folder: string, given?: string): Promise<Project> {
  const configFile = findConfig(folder, given);
  if (configFile === undefined) return { root: folder, config: {} };
  const root = dirname(configFile);
  return { root, configFile, config: await evaluate(root, configFile) };
}

function findConfig(folder: string, given: string | undefined): string | undefined {
  if (given !== undefined) {
    const path = join(folder, given);
    if (existsSync(given)) return given;
    if (existsSync(path)) return path;
    throw usageError(`--config: there is no file ${path}`);
  }
  const found = bases.flatMap((base) => extensions.map((extension) => join(folder, base + extension)));
  return found.find((path) => existsSync(path));
}

async function evaluate(root: string, file: string): Promise<ProjectConfig> {
  const name = basename(file);
  const folder = join(root, ".fairlead");
  mkdirSync(folder, { recursive: true });
  const compiled = join(folder, `config-${process.pid}.mjs`);
  try {
    await build({
      entryPoints: [file],
      outfile: compiled,
      absWorkingDir: root,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      packages: "external",
      logLevel: "silent",
      plugins: [absentSdk(root)],
      banner: { js: shims },
    });
    const module = (await import(pathToFileURL(compiled).href)) as Record<string, unknown>;
    const config = module.default ?? module.config;
    if (typeof config === "object" && config !== null) return config as ProjectConfig;
    throw new CommandError(
      `${name}: it exports no configuration; write \`export default defineConfig({ dirs: ["./trigger"] })\``,
    );
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${name} cannot be evaluated: ${messageOf(error)}`, 1, { cause: error });
  } finally {
    rmSync(compiled, { force: true });
  }
}

/**
 * In a folder whose packages are not installed, `defineConfig` still is the function that returns its
 * argument.
 */
const absentSdk = (root: string): Plugin => ({
  name: "absent-sdk",
  setup({ onResolve, onLoad }) {
    const require = createRequire(join(root, "package.json"));
    onResolve({ filter: sdkPattern }, ({ path }) => {
      try {
        require.resolve(path);
        return undefined;
      } catch {
        return { path, namespace: "absent-sdk" };
      }
    });
    onLoad({ filter: /.*/, namespace: "absent-sdk" }, () => ({
      contents: "export const defineConfig = (config) => config;",
    }));
  },
});

/**
 * What CommonJS has and ES modules lack; packages that were made for CommonJS use them when they are bundled.
 */
export const shims = [
  'import { createRequire as __createRequire } from "node:module";',
  'import { fileURLToPath as __fileURLToPath } from "node:url";',
  'import { dirname as __dirnameOf } from "node:path";',
  "const require = __createRequire(import.meta.url);",
  "const __filename = __fileURLToPath(import.meta.url);",
  "const __dirname = __dirnameOf(__filename);",
].join("\n");

interface BuildFailureLike {
  errors?: { text: string; location?: { file: string; line: number; column: number } | null }[];
}

/** esbuild's errors with file and line, any other error by its message. */
export function messageOf(error: unknown): string {
  const { errors } = (error ?? {}) as BuildFailureLike;
  if (!Array.isArray(errors) || errors.length === 0)
    return error instanceof Error ? error.message : String(error);
  return errors
    .slice(0, 20)
    .map(({ text, location }) =>
      location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text,
    )
    .join("\n");
}
