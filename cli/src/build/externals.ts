/**
 * Which packages stay out of the bundle: those that `build.external` names, and those that cannot be bundled
 * because they have native parts (`.node`, `.wasm`, gyp). They travel apart, by version (dependencies.ts).
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Plugin } from "esbuild";

export interface External {
  name: string;
  version: string;
  /** Folder in which it was found. */
  folder: string;
}

interface Manifest {
  name?: string;
  version?: string;
  main?: string;
  module?: string;
  files?: string[];
  binary?: unknown;
}

/** A package import, not a path and not Node's own. */
const packagePattern = /^(?!node:)(@[^/]+\/)?[^./][^/]*/;
const nativePattern = /\.(node|wasm|gyp|c|cc|cpp|cxx|h|hpp|hxx)$/;

/** Collects into `found` what it leaves out. */
export function externalsPlugin(given: readonly (string | RegExp)[], found: Map<string, External>): Plugin {
  return {
    name: "externals",
    setup({ onResolve, resolve }) {
      onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
        const name = packagePattern.exec(path)?.[0];
        if (name === undefined || kind === "entry-point" || pluginData === "resolved" || path.startsWith("#"))
          return undefined;
        const isGiven = given.some((item) =>
          typeof item === "string" ? item === name || item === path : item.test(path),
        );
        const manifestFile = findManifest(name, resolveDir);
        if (!manifestFile) return isGiven ? { path, external: true } : undefined;
        const folder = dirname(manifestFile);
        if (!isGiven && !isNative(folder, manifestFile)) {
          const resolved = await resolve(path, { kind, resolveDir, importer, pluginData: "resolved" });
          if (resolved.errors.length > 0 || !/\.(node|wasm)$/.test(resolved.path)) return undefined;
        }
        const { version = "*" } = readManifest(manifestFile);
        found.set(name, { name, version, folder });
        return { path, external: true };
      });
    },
  };
}

function isNative(folder: string, manifestFile: string): boolean {
  if (existsSync(join(folder, "binding.gyp"))) return true;
  const { main, module, files = [] } = readManifest(manifestFile);
  return [main, module, ...files].some((entry) => typeof entry === "string" && nativePattern.test(entry));
}

function readManifest(file: string): Manifest {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Manifest;
  } catch {
    return {};
  }
}

/** package.json of an installed package, seen from a folder. */
function findManifest(name: string, from: string): string | undefined {
  const paths = createRequire(join(from, "_.js")).resolve.paths(name) ?? [];
  return paths.map((path) => join(path, name, "package.json")).find((path) => existsSync(path));
}
