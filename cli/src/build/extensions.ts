/**
 * Build extensions, run as they are against a context of ours: what they ask for is collected, plugins and
 * externals go to the bundler. What needs an image (packages of a distribution, instructions of a Dockerfile)
 * is told to whoever deploys, by the extension's name.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Plugin } from "esbuild";
import { CommandError } from "../errors.ts";
import { messageOf, type Project } from "./config.ts";
import type { Layer } from "./manifest.ts";

interface Extended {
  plugins: Plugin[];
  external: string[];
  conditions: string[];
  layers: Layer[];
}

interface UpstreamLayer {
  id?: string;
  dependencies?: Record<string, string>;
  commands?: string[];
  conditions?: string[];
  image?: { pkgs?: string[]; instructions?: string[] };
  build?: { env?: Record<string, string> };
  deploy?: { env?: Record<string, string> };
}

/** Everything that `onBuildStart` asks for. */
export async function startExtensions(project: Project, target: "deploy" | "dev"): Promise<Extended> {
  const extended: Extended = { plugins: [], external: [], conditions: [], layers: [] };
  for (const extension of project.config.build?.extensions ?? []) {
    const name = extension?.name ?? "an extension without a name";
    try {
      extended.external.push(...namesOf(await extension.externalsForTarget?.(target)));
      await extension.onBuildStart?.(contextFor(project, target, name, extended));
    } catch (error) {
      throw new CommandError(`build.extensions: ${name} failed: ${messageOf(error)}`, 1, { cause: error });
    }
  }
  return extended;
}

/** After the bundle is written: `additionalFiles` and its like copy into the folder. */
export async function completeExtensions(
  project: Project,
  target: "deploy" | "dev",
  outputPath: string,
  extended: Extended,
): Promise<void> {
  const manifest = {
    outputPath,
    target,
    externals: [],
    files: [],
    sources: {},
    build: {},
    deploy: {},
    image: {},
  };
  for (const extension of project.config.build?.extensions ?? []) {
    const name = extension?.name ?? "an extension without a name";
    try {
      await extension.onBuildComplete?.(contextFor(project, target, name, extended), manifest);
    } catch (error) {
      throw new CommandError(`build.extensions: ${name} failed: ${messageOf(error)}`, 1, { cause: error });
    }
  }
}

function contextFor(
  { root, configFile, config }: Project,
  target: string,
  name: string,
  extended: Extended,
): object {
  const require = createRequire(join(root, "package.json"));
  const note =
    (kind: string) =>
    (...words: unknown[]) =>
      console.error(`${name}: ${kind}${words.map(String).join(" ")}`);
  return {
    target,
    workingDir: root,
    config: {
      dirs: [],
      project: "",
      ...config,
      build: { external: [], extensions: [], ...config.build },
      configFile,
      workingDir: root,
      workspaceDir: root,
    },
    registerPlugin: (plugin: Plugin) => void extended.plugins.push(plugin),
    addLayer: (layer: UpstreamLayer) => {
      extended.conditions.push(...(layer.conditions ?? []));
      extended.layers.push({
        extension: name,
        dependencies: layer.dependencies,
        commands: layer.commands,
        packages: layer.image?.pkgs,
        instructions: layer.image?.instructions,
        env: layer.deploy?.env,
      });
    },
    resolvePath: async (path: string) => {
      try {
        return require.resolve(path);
      } catch {
        return undefined;
      }
    },
    logger: {
      debug: () => undefined,
      log: note(""),
      warn: note("warning: "),
      progress: note(""),
      spinner: () => ({ stop: () => undefined, message: () => undefined }),
    },
  };
}

const namesOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
