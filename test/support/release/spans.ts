/**
 * When runs executed: by the start and end marks that the task `marks` writes to its log, or by their
 * statuses.
 */
import type { TaskRun } from "../../../operator/src/model/resources.ts";
import type { TestNamespace } from "./testNamespace.ts";

interface Span {
  key: string;
  start: number;
  end: number;
}

/** The execution of every attempt whose pod has this label, from the pods' logs. */
export async function loadSpans(ns: TestNamespace, selector: string): Promise<Span[]> {
  const flags = ["--prefix", "--tail=-1", "--max-log-requests=200"];
  const text = await ns.kubectl("logs", "--selector", selector, ...flags);
  const open = new Map<string, { key: string; at: number }>();
  const spans: Span[] = [];
  for (const line of text.split("\n")) {
    const [, pod = "", json] = /^\[pod\/([^/]+)\/\S+\] .*?(\{"mark".*\})\s*$/.exec(line) ?? [];
    if (!json) continue;
    const { mark, key, at } = JSON.parse(json) as { mark: string; key: string; at: number };
    const started = open.get(pod);
    if (mark === "start") open.set(pod, { key, at });
    else if (started) {
      spans.push({ key, start: started.at, end: at });
      open.delete(pod);
    }
  }
  // A killed attempt has no end mark: it ran until an unknown time, at least until its start.
  for (const { key, at } of open.values()) spans.push({ key, start: at, end: at });
  return spans;
}

/** How long the runs held their slots, by their statuses. */
export const slotSpansOf = (runs: readonly TaskRun[]): Span[] =>
  runs.flatMap(({ spec, status }) =>
    (status?.attempts ?? []).map(({ admittedAt, finishedAt }) => ({
      key: spec.concurrencyKey ?? "",
      start: Date.parse(admittedAt),
      end: Date.parse(finishedAt ?? ""),
    })),
  );

/** The most spans that were open at the same time; one that ends when another starts does not overlap it. */
export function maxOverlap(spans: readonly Span[]): number {
  const edges = spans.flatMap(({ start, end }) => [
    { at: start, by: 1 },
    { at: end, by: -1 },
  ]);
  edges.sort((a, b) => a.at - b.at || a.by - b.by);
  let now = 0;
  let max = 0;
  for (const { by } of edges) {
    now += by;
    max = Math.max(max, now);
  }
  return max;
}

export function groupByKey(spans: readonly Span[]): Map<string, Span[]> {
  const keys = new Map<string, Span[]>();
  for (const span of spans) keys.set(span.key, [...(keys.get(span.key) ?? []), span]);
  return keys;
}
