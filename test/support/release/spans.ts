/** How many runs executed at once, by the start and end marks that the task `marks` leaves in their logs. */
import type { TaskRun } from "../../../operator/src/model/resources.ts";
import type { TestNamespace } from "./testNamespace.ts";

interface Span {
  key: string;
  start: number;
  end: number;
}

/** Every attempt of the runs whose pods have this label, from the logs of the pods. */
export async function spansOf(ns: TestNamespace, selector: string): Promise<Span[]> {
  const text = await ns.kubectl(
    ...["logs", "--selector", selector, "--prefix", "--tail=-1", "--max-log-requests=200"],
  );
  const open = new Map<string, { key: string; at: number }>();
  const spans: Span[] = [];
  for (const line of text.split("\n")) {
    const [, pod = "", json] = /^\[pod\/([^/]+)\/\S+\] .*?(\{"mark".*\})\s*$/.exec(line) ?? [];
    if (!json) continue;
    const { mark, key, at } = JSON.parse(json) as { mark: string; key: string; at: number };
    const begun = open.get(pod);
    if (mark === "start") open.set(pod, { key, at });
    else if (begun) {
      spans.push({ key, start: begun.at, end: at });
      open.delete(pod);
    }
  }
  // One that never said that it ended was killed: it ran to an unknown time, at least to its start.
  for (const { key, at } of open.values()) spans.push({ key, start: at, end: at });
  return spans;
}

/** How long the runs held their slots. */
export const slotsOf = (runs: readonly TaskRun[]): Span[] =>
  runs.flatMap(({ spec, status }) =>
    (status?.attempts ?? []).map(({ admittedAt, finishedAt }) => ({
      key: spec.concurrencyKey ?? "",
      start: Date.parse(admittedAt),
      end: Date.parse(finishedAt ?? ""),
    })),
  );

/** The most spans that were open at one moment. One that ends when another starts does not count with it. */
export function mostAtOnce(spans: readonly Span[]): number {
  const edges = spans.flatMap(({ start, end }) => [
    { at: start, by: 1 },
    { at: end, by: -1 },
  ]);
  edges.sort((a, b) => a.at - b.at || a.by - b.by);
  let now = 0;
  let most = 0;
  for (const { by } of edges) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

export function byKey(spans: readonly Span[]): Map<string, Span[]> {
  const keys = new Map<string, Span[]>();
  for (const span of spans) keys.set(span.key, [...(keys.get(span.key) ?? []), span]);
  return keys;
}
