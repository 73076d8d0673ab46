/** Every image of this project: its Dockerfile, what goes into it, and its base. */
import type { BundleName } from "../build.ts";
import type { RootfsName } from "./rootfs.ts";

export type ProductImage = "operator" | "runtime" | "hello-world" | "redis" | "versitygw" | "shell";
/**
 * `e2e-tasks`: tasks for the end-to-end tests, which end in every possible way. `official-tasks`: some with
 * Trigger.dev's SDK.
 */
export type ImageName = ProductImage | "e2e-tasks" | "official-tasks";

export interface ImageSource {
  /**
   * The build context: the folder with the Dockerfile, and for bundled images with the dist/ that it copies.
   */
  folder: string;
  /** The folder of the Dockerfile when it is not the context. */
  dockerfile?: string;
  /** Built before the image. */
  bundle?: BundleName;
  /**
   * `node`: the Node base, public or made on this machine. An image's name: that image. Neither: the
   * Dockerfile's own public base, or `scratch` with a root folder made on this machine.
   */
  base?: "node" | "runtime";
  rootfs?: RootfsName;
}

export interface BuiltImage {
  /** Fully qualified, with the content hash as its tag. */
  ref: string;
  /** A docker-archive of the image as it was built (there it is named fairlead.local/<name>:<hash>). */
  archive: string;
}

export type Images<N extends ImageName = ProductImage> = Record<N, BuiltImage>;

export const catalog: Record<ImageName, ImageSource> = {
  operator: { folder: "operator", bundle: "operator", base: "node" },
  runtime: { folder: "runtime-image", bundle: "runner", base: "node" },
  "hello-world": { folder: "examples/hello-world", bundle: "hello-world", base: "runtime" },
  "e2e-tasks": {
    folder: "test/e2e/fixtures/tasks",
    dockerfile: "examples/hello-world",
    bundle: "e2e-tasks",
    base: "runtime",
  },
  "official-tasks": {
    folder: "test/e2e/fixtures/official",
    dockerfile: "examples/hello-world",
    bundle: "official-tasks",
    base: "runtime",
  },
  redis: { folder: "images/redis", rootfs: "redis" },
  versitygw: { folder: "images/versitygw", rootfs: "versitygw" },
  shell: { folder: "images/shell", rootfs: "shell" },
};

export const productImages: readonly ProductImage[] = [
  "operator",
  "runtime",
  "hello-world",
  "redis",
  "versitygw",
  "shell",
];
export const allImages: readonly ImageName[] = [...productImages, "e2e-tasks", "official-tasks"];
