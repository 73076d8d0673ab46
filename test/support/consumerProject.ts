/**
 * A project outside of the repository that has the packed SDK installed: a temporary folder with a
 * package.json of its own, filled without the network, removed by `remove`.
 */
import { existsSync, mkdirSync } from "node:fs";
import { cp, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ExecResult, run, tryRun } from "../../hack/lib/exec.ts";
import { repoRoot } from "../../hack/lib/paths.ts";
import { packSdk } from "../../hack/pack.ts";

/**
 * The path of a file in the repository's node_modules; throws when it is missing, so that no test is skipped.
 */
export function installed(path: string): string {
  const file = join(repoRoot, "node_modules", path);
  if (!existsSync(file)) throw new Error(`node_modules/${path} is missing: npm ci installs it`);
  return file;
}

export class ConsumerProject {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<ConsumerProject> {
    const { tarball } = await packSdk();
    const project = new ConsumerProject(await realpath(await mkdtemp(join(tmpdir(), "fairlead-consumer-"))));
    await project.write("package.json", { name: "consumer", private: true });
    await run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], { cwd: project.folder });
    return project;
  }

  /** Full path of a file of the installed package. */
  packageFile(...path: string[]): string {
    return join(this.folder, "node_modules", "@fairlead", "sdk", ...path);
  }

  async write(name: string, content: string | object): Promise<void> {
    const file = join(this.folder, name);
    mkdirSync(dirname(file), { recursive: true });
    await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  }

  /** Copies test/integration/sdk/fixtures/NAME, as `to`. */
  async copyFixture(name: string, to = name): Promise<void> {
    await cp(join(import.meta.dirname, "../integration/sdk/fixtures", name), join(this.folder, to));
  }

  run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<ExecResult> {
    return run(command, args, { cwd: this.folder, env, timeoutMs: 60_000 });
  }

  /** Runs the compiler on one of the project's folders. */
  compile(folder: string): Promise<ExecResult> {
    const args = ["--project", folder, "--pretty", "false"];
    return tryRun(installed(".bin/tsc"), args, { cwd: this.folder, timeoutMs: 60_000 });
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
