/**
 * What `npm run images` writes to .fairlead/: images.json ({name: {ref, archive}}, for scripts and
 * tests) and images-values.yaml (for `helm install --values`).
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { repoRoot } from "../lib/paths.ts";
import type { BuiltImage, ImageName, Images } from "./catalog.ts";

const imagesFile = join(repoRoot, ".fairlead", "images.json");
export const valuesFile = join(repoRoot, ".fairlead", "images-values.yaml");

export function writeImageFiles(images: Images): void {
  mkdirSync(join(repoRoot, ".fairlead"), { recursive: true });
  writeFileSync(imagesFile, `${JSON.stringify(images, null, 2)}\n`);
  // Quoted, as a tag of digits would be read as a number.
  const style = { defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" } as const;
  const note = "# Written by `npm run images`: the images that it built.\n";
  writeFileSync(valuesFile, note + stringify(imageValues(images), style));
}

/** The images of the last run; empty when there was none. */
export function readImagesFile(): Partial<Record<ImageName, BuiltImage>> {
  try {
    return JSON.parse(readFileSync(imagesFile, "utf8")) as Partial<Record<ImageName, BuiltImage>>;
  } catch {
    return {};
  }
}

/** The chart's values that name these images. */
export function imageValues(
  images: Record<"operator" | "runtime" | "redis" | "versitygw", { ref: string }>,
): object {
  return {
    image: splitRef(images.operator.ref),
    runtimeImage: splitRef(images.runtime.ref),
    redis: { image: splitRef(images.redis.ref) },
    objectStore: { image: splitRef(images.versitygw.ref) },
  };
}

/** A tag follows the last colon, unless a slash comes after it: then the colon belongs to a port. */
export function splitRef(ref: string): { repository: string; tag: string } {
  const colon = ref.lastIndexOf(":");
  if (colon < 0 || ref.indexOf("/", colon) >= 0) throw new Error(`${ref}: an image's name needs a tag`);
  return { repository: ref.slice(0, colon), tag: ref.slice(colon + 1) };
}
