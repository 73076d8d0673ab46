/**
 * Makes images available to a cluster: on its nodes, or, for the user's own cluster, in a registry. There it
 * uses what `npm run images -- --push REGISTRY` pushed, if that was built from the present sources.
 */
import type { ClusterProvider } from "../cluster/provider.ts";
import { step } from "../lib/progress.ts";
import { buildImages } from "./buildImages.ts";
import { type BuiltImage, type ImageName, type Images, type ProductImage, productImages } from "./catalog.ts";
import { localRegistry } from "./engine.ts";
import { readImagesFile, splitRef, writeImageFiles } from "./imageFiles.ts";

/**
 * Builds what is missing, loads it, and writes the files in .fairlead/; returns refs that the cluster can
 * use.
 */
export async function provideImages<N extends ImageName = ProductImage>(
  cluster: ClusterProvider,
  extra: readonly N[] = [],
): Promise<Images<N | ProductImage>> {
  const names = [...new Set<N | ProductImage>([...productImages, ...extra])];
  const built = await buildImages(names);
  const pushed = readImagesFile();
  if (cluster.name === "current") {
    const missing = names.filter((name) => !isPushed(built[name], pushed[name]));
    if (missing.length > 0) {
      const flags = missing.some((name) => name === "e2e-tasks" || name === "official-tasks")
        ? "--tests --push"
        : "--push";
      throw new Error(
        `the cluster cannot get the images ${missing.join(", ")} as they are now: nodes pull from a registry. ` +
          `Push them first: npm run images -- ${flags} REGISTRY`,
      );
    }
    return pushed as Images<N | ProductImage>;
  }
  const archives = Object.values<BuiltImage>(built).map(({ ref, archive }) => ({ ref, path: archive }));
  await step("images on every node", () => cluster.loadImages(archives), { quietBelowMs: 500 });
  writeImageFiles(built);
  return built;
}

/** Whether an image of the file is this one in a registry; the tag is the hash of its content. */
function isPushed(built: Pick<BuiltImage, "ref">, pushed: Pick<BuiltImage, "ref"> | undefined): boolean {
  if (!pushed || pushed.ref.startsWith(`${localRegistry}/`)) return false;
  return splitRef(pushed.ref).tag === splitRef(built.ref).tag;
}
