/**
 * `npm run images [-- [--tests] [--push REGISTRY | --load]]`: builds every image that is missing, writes
 * .fairlead/images.json and .fairlead/images-values.yaml, and prints the images' names.
 *
 *   --push REGISTRY   also pushes them to HOST[:PORT][/PATH]; files and output then name the pushed images.
 *                     Uses the login of Docker or buildah; plain HTTP only for a registry on loopback.
 *   --load            also loads them onto every node of the cluster (see `npm run cluster`).
 *   --tests           with the image that the end-to-end tests run.
 */
import { parseArgs } from "node:util";
import { chooseProvider } from "../cluster/choose.ts";
import { say } from "../lib/progress.ts";
import { buildImages } from "./buildImages.ts";
import { allImages, type BuiltImage, type ImageName, productImages } from "./catalog.ts";
import { valuesFile, writeImageFiles } from "./imageFiles.ts";
import { provideImages } from "./provideImages.ts";
import { pushImages } from "./pushImages.ts";
import { parseRegistry } from "./registry.ts";

const usage = "usage: npm run images [-- [--tests] [--push REGISTRY | --load]]";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { push: { type: "string" }, load: { type: "boolean" }, tests: { type: "boolean" } },
  });
  if (values.push !== undefined && values.load) throw new Error("--push or --load, not both");
  const registry = values.push === undefined ? undefined : parseRegistry(values.push);
  const images = await make(values.tests ? allImages : productImages, registry, values.load);
  for (const { ref } of Object.values(images)) console.log(ref);
  say(`values for helm with these images: ${valuesFile}`);
}

async function make(
  names: readonly ImageName[],
  registry: string | undefined,
  load = false,
): Promise<Partial<Record<ImageName, BuiltImage>>> {
  if (load) return provideImages(await chooseProvider(say), names);
  const images = await buildImages(names);
  if (registry !== undefined) return pushImages(images, registry);
  writeImageFiles(images);
  return images;
}

main().catch((error: Error & { code?: unknown }) => {
  const badUsage = String(error.code).startsWith("ERR_PARSE_ARGS");
  console.error(badUsage ? `${error.message}\n${usage}` : error.message);
  process.exitCode = badUsage ? 2 : 1;
});
