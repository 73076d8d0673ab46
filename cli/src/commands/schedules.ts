/** `fairlead schedules`: list, create, activate, deactivate, delete. */
import type { Command } from "commander";
import { call, listOffset, path } from "../api.ts";
import { calling } from "../command.ts";
import { type Column, type Format, printList, printResult } from "../output.ts";
import { print } from "../terminal.ts";

interface Schedule {
  id: string;
  type: string;
  task: string;
  active: boolean;
  externalId?: string;
  deduplicationKey?: string;
  generator: { expression: string };
  timezone: string;
  nextRun?: string;
}

const listLimit = 10_000;
const columns: Column<Schedule>[] = [
  { name: "ID", of: (schedule) => schedule.id },
  { name: "TASK", of: (schedule) => schedule.task },
  { name: "CRON", of: (schedule) => schedule.generator.expression },
  { name: "TIMEZONE", of: (schedule) => schedule.timezone },
  { name: "ACTIVE", of: (schedule) => (schedule.active ? "yes" : "no") },
  { name: "NEXT", of: (schedule) => schedule.nextRun },
  { name: "MADE BY", of: (schedule) => (schedule.type === "DECLARATIVE" ? "code" : "API"), wide: true },
  { name: "EXTERNAL ID", of: (schedule) => schedule.externalId, wide: true },
];

export function addSchedules(program: Command): void {
  const schedules = program.command("schedules").description("list and change schedules");
  schedules
    .command("list")
    .description("all schedules")
    .action(
      calling(async ({ api, format }) => {
        const all = await listOffset<Schedule>(api, "/api/v1/schedules", listLimit);
        printList(all, columns, format, "No schedules.");
      }),
    );
  schedules
    .command("create")
    .description("creates one, or changes the one with this key")
    .argument("<task>", "id of the task")
    .argument("<cron>", "five fields, such as '0 8 * * 1'")
    .requiredOption("--key <key>", "deduplication key: the same key is the same schedule")
    .option("--timezone <name>", "IANA name, such as Europe/Berlin; UTC otherwise")
    .option("--external-id <id>", "an id of yours that each run gets")
    .action(
      calling<[string, string], { key: string; timezone?: string; externalId?: string }>(
        async ({ api, options, format }, task, cron) => {
          const { key: deduplicationKey, timezone, externalId } = options;
          const body = { task, cron, deduplicationKey, timezone, externalId };
          show(await call<Schedule>(api, { method: "POST", path: "/api/v1/schedules", body }), format);
        },
      ),
    );
  for (const verb of ["activate", "deactivate"] as const) {
    schedules
      .command(verb)
      .description(verb === "activate" ? "triggers again" : "triggers nothing until it is activated")
      .argument("<id>", "sched_…")
      .action(
        calling<[string]>(async ({ api, format }, id) =>
          show(
            await call<Schedule>(api, { method: "POST", path: `${path`/api/v1/schedules/${id}`}/${verb}` }),
            format,
          ),
        ),
      );
  }
  schedules
    .command("delete")
    .description("its runs stay")
    .argument("<id>", "sched_…")
    .action(
      calling<[string]>(async ({ api }, id) => {
        await call(api, { method: "DELETE", path: path`/api/v1/schedules/${id}` });
        print(`${id} deleted`);
      }),
    );
}

function show(schedule: Schedule, format: Format): void {
  const { id, task, generator, timezone, active, nextRun } = schedule;
  printResult(schedule, format, () =>
    print(
      `${id}: ${task} at "${generator.expression}" (${timezone}), ${active ? `next ${nextRun ?? "unknown"}` : "inactive"}`,
    ),
  );
}
