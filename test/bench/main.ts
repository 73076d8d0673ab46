/**
 * `npm run bench -- latency [--pairs N]`, `token [--pairs N]`, `queue`, `api`, `sdk`, `chaos` or
 * `scale [--runs N]`: one, its figures on stdout.
 * The results are recorded in docs/benchmarks.md.
 */
import { delimiter } from "node:path";
import { parseArgs } from "node:util";
import { chooseProvider } from "../../hack/cluster/choose.ts";
import { provideImages } from "../../hack/images/provideImages.ts";
import { say } from "../../hack/lib/progress.ts";
import { installRelease } from "../../hack/start/release.ts";
import { apiBench } from "./api.ts";
import { chaos } from "./chaos.ts";
import { hostileBench } from "./hostile.ts";
import { latency } from "./latency.ts";
import { podTokenBench } from "./podToken.ts";
import { scaleBench } from "./scale.ts";
import { sdkImport } from "./sdkImport.ts";
import { semaphoreBench } from "./semaphore.ts";

const usage = `usage: npm run bench -- latency [--pairs N]   (N from 20 to 500, default 30)
       npm run bench -- token [--pairs N]     (a pod with and without its token's volume)
       npm run bench -- queue
       npm run bench -- api
       npm run bench -- hostile
       npm run bench -- sdk
       npm run bench -- scale [--runs N]         (N from 100 to 100000, default 10000)
       npm run bench -- chaos [--minutes N] [--seed N]   (default 30 and 1)`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      pairs: { type: "string" },
      runs: { type: "string" },
      minutes: { type: "string" },
      seed: { type: "string" },
    },
    allowPositionals: true,
  });
  if (positionals[0] === "queue") return semaphoreBench();
  if (positionals[0] === "hostile") return hostileBench();
  if (positionals[0] === "sdk") return sdkImport();
  const runs = Number(values.runs ?? 10_000);
  if (positionals[0] === "scale" && runs >= 100 && runs <= 100_000 && runs % 10 === 0)
    return scaleBench(runs);
  const pairs = Number(values.pairs ?? 30);
  const [minutes, seed] = [Number(values.minutes ?? 30), Number(values.seed ?? 1)];
  if (
    !["latency", "token", "api", "chaos"].includes(positionals[0] ?? "") ||
    !Number.isInteger(pairs) ||
    pairs < 20 ||
    pairs > 500 ||
    !(minutes > 0 && minutes <= 600) ||
    !Number.isInteger(seed)
  ) {
    console.error(usage);
    process.exitCode = 2;
    return;
  }
  const cluster = await chooseProvider(say);
  const { kubeconfig, path } = await cluster.up({});
  process.env.KUBECONFIG = kubeconfig;
  process.env.PATH = [...path, process.env.PATH ?? ""].join(delimiter);
  const images = await provideImages(cluster, ["e2e-tasks"]);
  if (positionals[0] === "token") return podTokenBench({ pairs, image: images["e2e-tasks"].ref });
  await installRelease();
  if (positionals[0] === "api") return apiBench();
  if (positionals[0] === "chaos") {
    if (!(await chaos({ minutes, seed }))) process.exitCode = 1;
    return;
  }
  await latency({ pairs, image: images["e2e-tasks"].ref });
}

await main();
