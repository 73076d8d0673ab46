/**
 * Builds images, each only when something that goes into it has changed.
 *
 * An image's tag is the hash of its Dockerfile, of what it copies and of its base; its archive is kept in the
 * cache as images/<name>-<hash>.tar. When that archive exists, nothing is built. Three archives of
 * each name are kept. Bases are public images when Docker builds (it can pull them) and made from this
 * machine's own files when buildah does; FAIRLEAD_IMAGE_BASE=local|public overrides that.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../build.ts";
import { withLock } from "../lib/lock.ts";
import { cacheDir, repoRoot } from "../lib/paths.ts";
import { step } from "../lib/progress.ts";
import {
  type BuiltImage,
  catalog,
  type ImageName,
  type ImageSource,
  type Images,
  type ProductImage,
  productImages,
} from "./catalog.ts";
import { hashTexts, hashTree } from "./contentHash.ts";
import { type BuildArgs, type Engine, localRegistry } from "./engine.ts";
import { prune } from "./prune.ts";
import { makeRootfs, type RootfsName, rootfsKey } from "./rootfs.ts";
import { requireBaseFiles, requireEngine } from "./tools.ts";

interface Plan {
  engine: Engine;
  /** Whether bases are made on this machine. */
  local: boolean;
  done: Map<ImageName, BuiltImage>;
  /** The Node base that was made on this machine. */
  base?: string;
  built: boolean;
}

export async function buildImages<N extends ImageName = ProductImage>(
  names: readonly N[] = productImages as readonly N[],
): Promise<Images<N>> {
  const engine = await requireEngine();
  const plan: Plan = { engine, local: usesLocalBases(engine), done: new Map(), built: false };
  if (plan.local) await requireBaseFiles();
  await withLock(`images ${cacheDir("images")}`, async () => {
    const bundles = names.flatMap(withBases).flatMap((name) => catalog[name].bundle ?? []);
    await step("bundles", () => build([...new Set(bundles)]), { quietBelowMs: 500 });
    for (const name of names) await ensureImage(plan, name);
    if (plan.built) await prune(engine, plan.base);
  });
  return Object.fromEntries(names.map((name) => [name, plan.done.get(name)])) as Images<N>;
}

function usesLocalBases(engine: Engine): boolean {
  const choice = process.env.FAIRLEAD_IMAGE_BASE || (engine.name === "docker" ? "public" : "local");
  if (choice !== "local" && choice !== "public") {
    throw new Error(`FAIRLEAD_IMAGE_BASE=${choice}: must be "local" or "public"`);
  }
  return choice === "local";
}

function withBases(name: ImageName): ImageName[] {
  const { base } = catalog[name];
  return base && base !== "node" ? [...withBases(base), name] : [name];
}

async function ensureImage(plan: Plan, name: ImageName): Promise<BuiltImage> {
  const known = plan.done.get(name);
  if (known) return known;
  const source = catalog[name];
  const base = await baseOf(plan, source);
  const hash = hashTexts(process.arch, base.key, filesKey(source)).slice(0, 16);
  const ref = `${localRegistry}/${name}:${hash}`;
  const archive = join(cacheDir("images"), `${name}-${hash}.tar`);
  if (existsSync(archive)) {
    utimesSync(archive, new Date(), new Date());
  } else {
    await step(`image ${name}`, async () => {
      await buildOne(plan, source, ref, await base.prepare());
      rmSync(`${archive}.part`, { force: true });
      await plan.engine.save(ref, `${archive}.part`);
      renameSync(`${archive}.part`, archive);
    });
    plan.built = true;
  }
  const image = { ref, archive };
  plan.done.set(name, image);
  return image;
}

interface Base {
  /** What of the base goes into the hash of an image on it. */
  key: string;
  /** Makes the base available to the engine; returns the build arguments that name it. */
  prepare(): Promise<BuildArgs>;
}

async function baseOf(plan: Plan, source: ImageSource): Promise<Base> {
  if (source.base === "runtime") {
    const { ref, archive } = await ensureImage(plan, source.base);
    const prepare = async () => {
      if (!(await plan.engine.has(ref))) await plan.engine.restore(archive);
      return { BASE: ref };
    };
    return { key: ref, prepare };
  }
  // A public base is named in the Dockerfile, and so in its hash.
  if (!plan.local) return { key: "public", prepare: async () => ({}) };
  if (source.rootfs) {
    return { key: await rootfsKey(source.rootfs), prepare: async () => ({ BASE: "scratch" }) };
  }
  return nodeBase(plan);
}

async function nodeBase(plan: Plan): Promise<Base> {
  const source = { folder: "images/base", rootfs: "node" } as const;
  const key = hashTexts(process.arch, filesKey(source), await rootfsKey("node"));
  const ref = `${localRegistry}/base:${key.slice(0, 16)}`;
  plan.base = ref;
  const prepare = async () => {
    if (!(await plan.engine.has(ref))) await buildOne(plan, source, ref, {});
    return { BASE: ref };
  };
  return { key, prepare };
}

function filesKey(source: ImageSource): string {
  const dockerfile = join(source.dockerfile ?? source.folder, "Dockerfile");
  const files = [dockerfile, join(source.folder, ".dockerignore"), join(source.folder, "dist")];
  return hashTexts(...files.map((file) => hashTree(join(repoRoot, file))));
}

/** Builds from the image's own folder, or from a copy of it with the root folder added. */
async function buildOne(
  plan: Plan,
  source: { folder: string; dockerfile?: string; rootfs?: RootfsName },
  ref: string,
  buildArgs: BuildArgs,
): Promise<void> {
  const dockerfile = join(repoRoot, source.dockerfile ?? source.folder, "Dockerfile");
  const folder = join(repoRoot, source.folder);
  if (!source.rootfs) return plan.engine.build(dockerfile, folder, ref, buildArgs);
  const context = mkdtempSync(join(tmpdir(), "fairlead-image-"));
  try {
    copyFileSync(dockerfile, join(context, "Dockerfile"));
    if (plan.local) await makeRootfs(source.rootfs, context);
    else mkdirSync(join(context, "rootfs"));
    await plan.engine.build(join(context, "Dockerfile"), context, ref, buildArgs);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}
