/**
 * `fairlead queues`: list, pause, resume, limit. A queue of its own task is `task/<id>`, every other one its
 * name.
 */
import type { Command } from "commander";
import { type Api, call, listOffset } from "../api.ts";
import { wholeNumber } from "../arguments.ts";
import { calling } from "../command.ts";
import { usageError } from "../errors.ts";
import { type Column, type Format, printList, printResult } from "../output.ts";
import { print } from "../terminal.ts";

interface Queue {
  id: string;
  name: string;
  type: "task" | "custom";
  running: number;
  queued: number;
  paused: boolean;
  concurrencyLimit: number | null;
}

const listLimit = 10_000;
const columns: Column<Queue>[] = [
  { name: "QUEUE", of: (queue) => (queue.type === "task" ? `task/${queue.name}` : queue.name) },
  { name: "RUNNING", of: (queue) => queue.running },
  { name: "QUEUED", of: (queue) => queue.queued },
  { name: "LIMIT", of: (queue) => queue.concurrencyLimit ?? "none" },
  { name: "PAUSED", of: (queue) => (queue.paused ? "yes" : "") },
  { name: "ID", of: (queue) => queue.id, wide: true },
];

export function addQueues(program: Command): void {
  const queues = program.command("queues").description("list, pause, resume and limit queues");
  queues
    .command("list")
    .description("all queues, by name")
    .action(
      calling(async ({ api, format }) => {
        const all = await listOffset<Queue>(api, "/api/v1/queues", listLimit);
        printList(all, columns, format, "No queues yet: a task's queue is there once the task is.");
      }),
    );
  const queueArgument = "task/ID, or a custom queue's name";
  queues
    .command("pause")
    .description("starts nothing until it is resumed; what executes goes on")
    .argument("<queue>", queueArgument)
    .action(
      calling<[string]>(async ({ api, format }, queue) =>
        show(await change(api, queue, "/pause", { action: "pause" }), format),
      ),
    );
  queues
    .command("resume")
    .description("starts again")
    .argument("<queue>", queueArgument)
    .action(
      calling<[string]>(async ({ api, format }, queue) =>
        show(await change(api, queue, "/pause", { action: "resume" }), format),
      ),
    );
  queues
    .command("limit")
    .description("overrides the concurrency limit, or goes back to the declared one")
    .argument("<queue>", queueArgument)
    .argument("[limit]", "runs at once", wholeNumber("limit", 0))
    .option("--reset", "the declared limit counts again")
    .action(
      calling<[string, number | undefined], { reset?: boolean }>(
        async ({ api, options, format }, queue, limit) => {
          if ((limit === undefined) === !options.reset) throw usageError("limit: give a number, or --reset");
          const changed = options.reset
            ? await change(api, queue, "/concurrency/reset", {})
            : await change(api, queue, "/concurrency/override", { concurrencyLimit: limit });
          show(changed, format);
        },
      ),
    );
}

function show(queue: Queue, format: Format): void {
  const limit = queue.concurrencyLimit ?? "none";
  printResult(queue, format, () =>
    print(
      `${queue.name}: ${queue.paused ? "paused" : "active"}, limit ${limit}, ${queue.running} running, ${queue.queued} queued`,
    ),
  );
}

function change(api: Api, queue: string, rest: string, body: object): Promise<Queue> {
  const isTask = queue.startsWith("task/");
  const name = isTask ? queue.slice("task/".length) : queue;
  // A slash in a name is encoded twice, as Trigger.dev's clients do.
  const to = `/api/v1/queues/${encodeURIComponent(name.replaceAll("/", "%2F"))}${rest}`;
  return call<Queue>(api, { method: "POST", path: to, body: { type: isTask ? "task" : "custom", ...body } });
}
