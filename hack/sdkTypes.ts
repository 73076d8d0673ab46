/**
 * The declarations of the SDK and of what it takes from protocol/, as files below one folder:
 *
 *   <folder>/sdk/src/index.d.ts    and one for each of its modules
 *   <folder>/protocol/src/*.d.ts   imported by relative paths, since @fairlead/protocol is not published
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { run } from "./lib/exec.ts";
import { repoRoot } from "./lib/paths.ts";

export interface Declaration {
  /** Relative to the folder, with slashes. */
  path: string;
  /** Its imports have no extension. */
  text: string;
}

export async function sdkDeclarations({ comments }: { comments: boolean }): Promise<Declaration[]> {
  const folder = join(repoRoot, ".fairlead", "types", comments ? "documented" : "bare");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "tsconfig.json");
  const emitted = join(folder, "emitted");
  const options = { noEmit: false, declaration: true, emitDeclarationOnly: true, removeComments: !comments };
  // By its path: the compiler emits nothing for what it finds as a package.
  const paths = { "@fairlead/protocol/*": [join(repoRoot, "protocol", "src", "*.ts")] };
  const compilerOptions = { ...options, paths, rootDir: repoRoot, outDir: emitted };
  const files = [join(repoRoot, "sdk", "src", "index.ts")];
  const settings = { extends: join(repoRoot, "tsconfig.json"), compilerOptions, include: [], files };
  writeFileSync(config, JSON.stringify(settings));
  await run(join(repoRoot, "node_modules", ".bin", "tsc"), ["--project", config], { cwd: repoRoot });
  return readdirSync(emitted, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".d.ts"))
    .sort()
    .map((name) => {
      const path = relative(emitted, join(emitted, name)).split(sep).join("/");
      return { path, text: withRelativeImports(path, readFileSync(join(emitted, name), "utf8")) };
    });
}

function withRelativeImports(path: string, text: string): string {
  const protocol = (module: string): string => {
    const to = posix.relative(posix.dirname(path), `protocol/src/${module}`);
    return to.startsWith(".") ? to : `./${to}`;
  };
  return text
    .replace(/"@fairlead\/protocol\/(\w+)"/g, (_, module: string) => `"${protocol(module)}"`)
    .replace(/"(\.{1,2}\/[^"]+)\.ts"/g, '"$1"');
}

/** Writes them with an extension on each relative import, as ES modules or CommonJS need them. */
export function writeDeclarations(
  folder: string,
  declarations: readonly Declaration[],
  extensions: Record<"d.ts" | "d.cts", string>,
): void {
  for (const { path, text } of declarations) {
    for (const [kind, extension] of Object.entries(extensions)) {
      const file = join(folder, path.replace(/d\.ts$/, kind));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text.replace(/"(\.{1,2}\/[^"]+)"/g, `"$1${extension}"`));
    }
  }
}
