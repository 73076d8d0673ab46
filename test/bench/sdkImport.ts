/**
 * What an import of the packed SDK costs: whole processes of the repository's Node that import nothing,
 * `@fairlead/sdk` or `@trigger.dev/sdk`, taking turns, so that all three see the same machine. Medians, and
 * what is installed for them.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../hack/lib/exec.ts";
import { repoRoot } from "../../hack/lib/paths.ts";
import { ConsumerProject, installed } from "../support/consumerProject.ts";

const [warmUps, rounds] = [2, 20];

export async function sdkImport(): Promise<void> {
  const project = await ConsumerProject.create();
  try {
    const official = import.meta.resolve("@trigger.dev/sdk");
    await project.write("nothing.mjs", "");
    await project.write("ours.mjs", 'import "@fairlead/sdk";\n');
    await project.write("official.mjs", `import "${official}";\n`);
    const names = ["nothing", "ours", "official"] as const;
    const samples = { nothing: [] as number[], ours: [] as number[], official: [] as number[] };
    for (let round = -warmUps; round < rounds; round++) {
      for (const name of names) {
        const took = await processMs(join(project.folder, `${name}.mjs`));
        if (round >= 0) samples[name].push(took);
      }
    }
    const empty = median(samples.nothing);
    const [ours, theirs] = [median(samples.ours) - empty, median(samples.official) - empty];
    console.log(`${rounds} processes each, milliseconds, medians`);
    console.log(`nothing            ${empty.toFixed(1)}`);
    console.log(`@fairlead/sdk      +${ours.toFixed(1)}`);
    console.log(`@trigger.dev/sdk   +${theirs.toFixed(1)}`);
    console.log(`ours / official    ${(ours / theirs).toFixed(3)}`);

    const modules = join(repoRoot, "node_modules", "@trigger.dev");
    const [sdk, core] = [kilobytes(join(modules, "sdk")), kilobytes(join(modules, "core"))];
    console.log("installed, KB");
    console.log(`@fairlead/sdk      ${kilobytes(project.packageFile())} (no dependencies)`);
    console.log(
      `@trigger.dev/sdk   ${sdk}, with @trigger.dev/core ${sdk + core} (without their dependencies)`,
    );
  } finally {
    await project.remove();
  }
}

async function processMs(file: string): Promise<number> {
  const began = performance.now();
  await run(installed("node/bin/node"), [file], { env: { NODE_OPTIONS: undefined } });
  return performance.now() - began;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

function kilobytes(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  return Math.round(bytes / 1024);
}
