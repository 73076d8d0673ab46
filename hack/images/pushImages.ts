/** Pushes built images to a registry, under their own names and tags. */
import { ExecError } from "../lib/exec.ts";
import { step } from "../lib/progress.ts";
import type { BuiltImage, ImageName, Images, ProductImage } from "./catalog.ts";
import type { Engine } from "./engine.ts";
import { writeImageFiles } from "./imageFiles.ts";
import { requireEngine } from "./tools.ts";

/** `registry` is a result of `parseRegistry`. The result, and the written files, name the pushed images. */
export async function pushImages<N extends ImageName>(
  images: Images<N | ProductImage>,
  registry: string,
): Promise<Images<N | ProductImage>> {
  const engine = await requireEngine();
  const pushed = { ...images };
  for (const [name, { ref, archive }] of Object.entries(images) as [N, BuiltImage][]) {
    const target = `${registry}/${ref.slice(ref.indexOf("/") + 1)}`;
    await step(`push ${target}`, async () => {
      if (!(await engine.has(ref))) await engine.restore(archive);
      await pushOne(engine, ref, target);
    });
    pushed[name] = { ref: target, archive };
  }
  writeImageFiles(pushed);
  return pushed;
}

async function pushOne(engine: Engine, ref: string, target: string): Promise<void> {
  try {
    await engine.push(ref, target);
  } catch (error) {
    const said = error instanceof ExecError ? error.stderr.trim().split("\n").at(-1) : String(error);
    const host = target.split("/")[0];
    throw new Error(
      `${target} could not be pushed: ${said}\nIs it the right registry, and logged in (${engine.name} login ${host})?`,
    );
  }
}
