/** `fairlead runs`: list, get, watch, logs, cancel, replay. */
import type { Command } from "commander";
import { type Api, call, path, send } from "../api.ts";
import { wholeNumber } from "../arguments.ts";
import { calling } from "../command.ts";
import { CommandError, exitCodes } from "../errors.ts";
import { type Column, type Format, paintStatus, printList, printResult, textOf } from "../output.ts";
import { type Run, untilEnd } from "../runStream.ts";
import { age, plain, print, say, seconds } from "../terminal.ts";

interface ListFlags {
  status?: string[];
  task?: string[];
  tag?: string[];
  queue?: string[];
  batch?: string;
  period?: string;
  limit: number;
}

const date = (text: string | undefined): Date | undefined =>
  text === undefined ? undefined : new Date(text);
const several = (value: string, all: string[] = []): string[] => [...all, ...value.split(",")];

const columns: Column<Run>[] = [
  { name: "ID", of: (run) => run.id },
  { name: "TASK", of: (run) => run.taskIdentifier },
  { name: "STATUS", of: (run) => run.status },
  { name: "AGE", of: (run) => age(date(run.createdAt)) },
  { name: "DURATION", of: (run) => (run.startedAt && run.finishedAt ? seconds(run.durationMs) : "") },
  { name: "VERSION", of: (run) => run.version, wide: true },
  { name: "TAGS", of: (run) => run.tags.join(","), wide: true },
];

export function addRuns(program: Command): void {
  const runs = program.command("runs").description("list, follow, cancel and replay runs");

  runs
    .command("list")
    .description("newest first")
    .option("--status <status>", "such as FAILED; several with commas", several)
    .option("--task <id>", "of this task", several)
    .option("--tag <tag>", "with this tag", several)
    .option("--queue <name>", "of this queue: task/ID, or a custom queue's name", several)
    .option("--batch <id>", "of this batch")
    .option("--period <duration>", "created in the last 30m, 24h, 7d")
    .option("-l, --limit <n>", "at most so many", wholeNumber("--limit", 1, 10_000), 25)
    .action(
      calling<[], ListFlags>(async ({ api, options, format }) => {
        const found = await listRuns(api, options);
        printList(found, columns, format, "No runs. Create one with: fairlead trigger <task> <payload>");
        if (found.length === options.limit && format !== "json" && format !== "yaml")
          say(`(the newest ${options.limit}; more with --limit)`);
      }),
    );

  runs
    .command("get")
    .description("one run: state, payload, output, error")
    .argument("<id>", "run_…")
    .action(
      calling<[string]>(async ({ api, format }, id) => {
        const run = await call<Run>(api, { path: path`/api/v3/runs/${id}` });
        printResult(run, format, () => {
          for (const line of describe(run)) print(line);
        });
      }),
    );

  runs
    .command("watch")
    .description("every change, until the end; the exit code is 4 unless it succeeds")
    .argument("<id>", "run_…")
    .action(calling<[string]>(({ api, format }, id) => watchRun(api, id, format, print)));

  runs
    .command("logs")
    .description("what it printed, attempt by attempt; also after its pod is gone")
    .argument("<id>", "run_…")
    .option("-f, --follow", "goes on until the run has ended")
    .option("--attempt <n>", "only this one", wholeNumber("--attempt", 1))
    .option("--since <time>", "no older lines: 10m, or a time with its zone")
    .option("-t, --timestamps", "each line begins with its time")
    .addHelpText("after", "\n-o json prints a JSON object a line: attempt, at, line.")
    .action(
      calling<[string], { follow?: boolean; attempt?: number; since?: string; timestamps?: boolean }>(
        async ({ api, options, format }, id) => {
          const { follow, attempt, since, timestamps } = options;
          const query = {
            follow,
            attempt,
            since,
            timestamps,
            format: format === "json" ? "json" : undefined,
          };
          const { body } = await send(api, { path: path`/api/v1/runs/${id}/logs`, query });
          for await (const part of body ?? []) process.stdout.write(part);
        },
      ),
    );

  runs
    .command("cancel")
    .description("a run that has ended stays as it is")
    .argument("<id...>", "run_…")
    .action(
      calling<[string[]]>(async ({ api, format }, ids) => {
        for (const id of ids) {
          const answer = await call<{ id: string }>(api, {
            method: "POST",
            path: path`/api/v2/runs/${id}/cancel`,
          });
          printResult(answer, format, () => print(`${answer.id} cancel requested`));
        }
      }),
    );

  runs
    .command("replay")
    .description("a new run with the same payload")
    .argument("<id>", "run_…")
    .action(
      calling<[string]>(async ({ api, format }, id) => {
        const answer = await call<{ id: string }>(api, {
          method: "POST",
          path: path`/api/v1/runs/${id}/replay`,
          body: {},
        });
        printResult(answer, format, () => print(answer.id));
      }),
    );
}

/**
 * Shows each state of the run with `show`, and in the end its output, or the whole run in the other formats.
 * Throws a CommandError unless it succeeds.
 */
export async function watchRun(
  api: Api,
  id: string,
  format: Format,
  show: (line: string) => void,
): Promise<void> {
  const began = performance.now();
  const isValue = format === "json" || format === "yaml";
  let shown: string | undefined;
  const run = await untilEnd(api, id, (now) => {
    const text = `${paintStatus(now.status).padEnd(12)} ${plain(now.waiting?.message ?? "")}`.trimEnd();
    if (isValue || text === shown) return;
    show(`${seconds(performance.now() - began).padStart(8)}  ${text}`);
    shown = text;
  });
  printResult(run, format, () => {
    if (run.output !== undefined) print(textOf(run.output));
  });
  if (run.isSuccess) return;
  const reason = run.error ? `: ${plain(run.error.message)}` : "";
  throw new CommandError(`${run.id} ended as ${run.status}${reason}`, exitCodes.unsuccessful);
}

async function listRuns(api: Api, flags: ListFlags): Promise<Run[]> {
  const found: Run[] = [];
  let after: string | undefined;
  while (found.length < flags.limit) {
    const query = {
      "page[size]": Math.min(100, flags.limit - found.length),
      "page[after]": after,
      "filter[status]": flags.status?.join(","),
      "filter[taskIdentifier]": flags.task?.join(","),
      "filter[tag]": flags.tag?.join(","),
      "filter[queue]": flags.queue?.join(","),
      "filter[batch]": flags.batch,
      "filter[createdAt][period]": flags.period,
    };
    const page = await call<{ data: Run[]; pagination: { next?: string } }>(api, {
      path: "/api/v1/runs",
      query,
    });
    found.push(...page.data);
    after = page.pagination.next;
    if (after === undefined) break;
  }
  return found;
}

function describe(run: Run): string[] {
  const line = (name: string, value: string | undefined): string[] =>
    value === undefined || value === "" ? [] : [`${`${name}:`.padEnd(12)}${value}`];
  const block = (name: string, value: unknown): string[] =>
    value === undefined
      ? []
      : [
          `${name}:`,
          ...textOf(value)
            .split("\n")
            .map((text) => `  ${text}`),
        ];
  return [
    ...line("Run", run.id),
    ...line("Task", `${run.taskIdentifier}${run.version ? `, version ${run.version}` : ""}`),
    ...line(
      "Status",
      `${paintStatus(run.status)}${run.waiting?.message ? `: ${plain(run.waiting.message)}` : ""}`,
    ),
    ...line("Created", run.createdAt),
    ...line("Started", run.startedAt),
    ...line("Ended", run.finishedAt && `${run.finishedAt} (after ${seconds(run.durationMs)})`),
    ...line("Attempts", run.attemptCount === undefined ? undefined : String(run.attemptCount)),
    ...line("Tags", run.tags.map(plain).join(", ")),
    ...block("Payload", run.payload),
    ...block("Metadata", run.metadata),
    ...block("Output", run.output),
    ...line("Output at", run.outputPresignedUrl),
    ...block(
      "Error",
      run.error && (run.error.stackTrace || `${run.error.name ?? "Error"}: ${run.error.message}`),
    ),
  ];
}
