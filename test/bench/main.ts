/**
 * `npm run bench -- latency [--pairs N]` or `npm run bench -- queue`: one benchmark, its figures on stdout.
 * docs/benchmarks.md keeps them.
 */
import { delimiter } from "node:path";
import { parseArgs } from "node:util";
import { chooseProvider } from "../../hack/cluster/choose.ts";
import { provideImages } from "../../hack/images/provideImages.ts";
import { say } from "../../hack/lib/progress.ts";
import { installRelease } from "../../hack/start/release.ts";
import { latency } from "./latency.ts";
import { semaphoreBench } from "./semaphore.ts";

const usage = `usage: npm run bench -- latency [--pairs N]   (N from 20 to 500, default 30)
       npm run bench -- queue`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { pairs: { type: "string" } },
    allowPositionals: true,
  });
  if (positionals[0] === "queue") return semaphoreBench();
  const pairs = Number(values.pairs ?? 30);
  if (positionals[0] !== "latency" || !Number.isInteger(pairs) || pairs < 20 || pairs > 500) {
    console.error(usage);
    process.exitCode = 2;
    return;
  }
  const cluster = await chooseProvider(say);
  const { kubeconfig, path } = await cluster.up({});
  process.env.KUBECONFIG = kubeconfig;
  process.env.PATH = [...path, process.env.PATH ?? ""].join(delimiter);
  const images = await provideImages(cluster, ["e2e-tasks"]);
  await installRelease();
  await latency({ pairs, image: images["e2e-tasks"].ref });
}

await main();
