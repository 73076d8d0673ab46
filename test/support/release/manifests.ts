/** The images of this work tree, as `npm run images -- --load --tests` left them, and manifests that use them. */

import type { ImageName } from "../../../hack/images/catalog.ts";
import { readImagesFile } from "../../../hack/images/imageFiles.ts";
import { type Manifest, task } from "./testNamespace.ts";

export function imageOf(name: ImageName): string {
  const image = readImagesFile()[name];
  if (!image) throw new Error(`there is no image ${name}: run npm run images -- --load --tests`);
  return image.ref;
}

/** One of the tasks in fixtures/tasks/tasks.ts. Grace periods are short, so that a test of them is. */
export const testTask = (id: string, spec: object = {}): Manifest =>
  task(id, {
    image: imageOf("e2e-tasks"),
    retry: { maxAttempts: 1 },
    podTemplate: { terminationGracePeriodSeconds: 2 },
    ...spec,
  });

export const shell = (script: string, more: object = {}): object => ({
  container: { image: imageOf("shell"), command: ["sh", "-c", script], ...more },
});
