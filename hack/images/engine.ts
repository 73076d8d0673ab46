/**
 * The program that builds images: Docker when its daemon answers, else buildah as root (no daemon, chroot
 * isolation). Buildah keeps its storage in the cache, apart from the machine's own. Refs are fully qualified.
 */
import { createHash } from "node:crypto";
import { dockerAnswers } from "../cluster/choose.ts";
import { run, tryRun, which } from "../lib/exec.ts";
import { cacheDir } from "../lib/paths.ts";
import { isLoopback } from "./registry.ts";

export type BuildArgs = Record<string, string>;

export interface Engine {
  readonly name: "docker" | "buildah";
  /** `dockerfile` may be outside of `context`; its .dockerignore is the one in the context. */
  build(dockerfile: string, context: string, ref: string, buildArgs: BuildArgs): Promise<void>;
  has(ref: string): Promise<boolean>;
  /** Refs of ours in the engine's storage. */
  list(): Promise<string[]>;
  remove(ref: string): Promise<void>;
  /** Writes the image with its name as a docker-archive. */
  save(ref: string, archive: string): Promise<void>;
  restore(archive: string): Promise<void>;
  push(ref: string, target: string): Promise<void>;
}

export const localRegistry = "fairlead.local";

/** The engine that this machine has, if any. */
export async function findEngine(): Promise<Engine | undefined> {
  if (await dockerAnswers()) return docker;
  if (which("buildah") && process.getuid?.() === 0) return buildah;
  return undefined;
}

const toArgs = (buildArgs: BuildArgs): string[] =>
  Object.entries(buildArgs).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]);

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

const docker: Engine = {
  name: "docker",
  async build(dockerfile, context, ref, buildArgs) {
    await run("docker", ["build", ...toArgs(buildArgs), "--file", dockerfile, "--tag", ref, context]);
  },
  async has(ref) {
    return (await tryRun("docker", ["image", "inspect", "--format", "{{.Id}}", ref])).code === 0;
  },
  async list() {
    const args = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", `${localRegistry}/*`];
    return lines((await run("docker", args)).stdout);
  },
  async remove(ref) {
    await tryRun("docker", ["image", "rm", ref]);
  },
  async save(ref, archive) {
    await run("docker", ["save", "--output", archive, ref]);
  },
  async restore(archive) {
    await run("docker", ["load", "--input", archive]);
  },
  async push(ref, target) {
    await run("docker", ["tag", ref, target]);
    await run("docker", ["push", target]);
    await tryRun("docker", ["image", "rm", target]);
  },
};

const buildah: Engine = {
  name: "buildah",
  async build(dockerfile, context, ref, buildArgs) {
    const args = ["bud", "--isolation", "chroot", "--pull=never", "--timestamp", "0"];
    await run("buildah", [
      ...storage(),
      ...args,
      ...toArgs(buildArgs),
      "--file",
      dockerfile,
      "--tag",
      ref,
      context,
    ]);
  },
  async has(ref) {
    return (await tryRun("buildah", [...storage(), "inspect", "--type", "image", ref])).code === 0;
  },
  async list() {
    const result = await run("buildah", [...storage(), "images", "--format", "{{.Name}}:{{.Tag}}"]);
    return lines(result.stdout).filter((ref) => ref.startsWith(`${localRegistry}/`));
  },
  async remove(ref) {
    await tryRun("buildah", [...storage(), "rmi", ref]);
  },
  async save(ref, archive) {
    await run("buildah", [...storage(), "push", "--quiet", ref, `docker-archive:${archive}:${ref}`]);
  },
  async restore(archive) {
    await run("buildah", [...storage(), "pull", "--quiet", `docker-archive:${archive}`]);
  },
  async push(ref, target) {
    const tls = isLoopback(target) ? ["--tls-verify=false"] : [];
    await run("buildah", [...storage(), "push", "--quiet", ...tls, ref, `docker://${target}`]);
  },
};

/** Images in the cache; mounts and locks in /run, which a reboot empties, as buildah requires. */
function storage(): string[] {
  const folder = cacheDir("images", "storage");
  const id = createHash("sha256").update(folder).digest("hex").slice(0, 12);
  return ["--root", folder, "--runroot", `/run/fairlead/buildah-${id}`, "--storage-driver", "overlay"];
}
