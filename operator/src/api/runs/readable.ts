/**
 * Which runs a list shows: those that fit the query, of those that the caller may read. A token for tags,
 * tasks or batches lists its own; one for single runs reads each by its id.
 */
import { batchId, idPrefix, runId } from "@fairlead/protocol/ids";
import type { TaskRun } from "../../model/resources.ts";
import { lacks, may, mayAll, maySome, subjectOf } from "../auth/rights.ts";
import type { Subject } from "../auth/scopes.ts";
import type { Caller } from "../http/caller.ts";
import { nameIn } from "../http/input.ts";
import type { ReadRun } from "./reader.ts";
import { filterOf } from "./wire/runFilter.ts";

/** The kinds of scopes that a list is for, with what a query names of them. */
const kinds: [kind: "tags" | "tasks" | "batch", parameter: string, subject: (word: string) => Subject][] = [
  ["tags", "filter[tag]", (tag) => ({ tags: [tag] })],
  ["tasks", "filter[taskIdentifier]", (tasks) => ({ tasks })],
  ["batch", "filter[batch]", (id) => ({ batch: batchId(nameIn(id, idPrefix.batch)) })],
];

/** A predicate. A query that can show nothing to this caller is refused. */
export function readableBy(caller: Caller, query: Record<string, unknown>): (run: TaskRun) => boolean {
  const fits = filterOf(query);
  if (mayAll(caller, "read", "runs")) return fits;
  const held = kinds.filter(([kind]) => maySome(caller, "read", [kind]));
  if (held.length === 0) throw lacks("read:runs");
  const [[kind, parameter, subject]] = held as [(typeof kinds)[number]];
  const named = query[parameter];
  if (held.length === 1 && typeof named === "string" && named !== "") {
    const words = named.split(",");
    if (!words.some((word) => may(caller, "read", subject(word)))) throw lacks(`read:${kind}:${words[0]}`);
  }
  return (run: ReadRun) =>
    fits(run) && may(caller, "read", subjectOf(run.id ?? runId(run.metadata.name), run));
}
