/** `fairlead batches`: one batch, and its runs. */
import type { Command } from "commander";
import { call, path } from "../api.ts";
import { calling } from "../command.ts";
import { printResult } from "../output.ts";
import { print } from "../terminal.ts";

interface Batch {
  id: string;
  status: string;
  runCount: number;
  runs: string[];
}

export function addBatches(program: Command): void {
  const batches = program.command("batches").description("read batches");
  batches
    .command("get")
    .description("its status and the ids of its runs, in the order of its items")
    .argument("<id>", "batch_…")
    .action(
      calling<[string]>(async ({ api, format }, id) => {
        const batch = await call<Batch>(api, { path: path`/api/v2/batches/${id}` });
        printResult(batch, format, () => {
          print(`${batch.id}  ${batch.status}  ${batch.runCount} runs`);
          for (const run of batch.runs) print(`  ${run}`);
        });
      }),
    );
}
