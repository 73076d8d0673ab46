/**
 * Runs as clients read them: one of them live from the API server (what was triggered can be read at once,
 * from any replica), else from history; lists from this replica's own watch and history together, newest
 * first.
 */
import { runId } from "@fairlead/protocol/ids";
import { batchLabel, originLabel } from "@fairlead/protocol/labels";
import type { Logger } from "pino";
import { Informer } from "../../kube/cache/informer.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { objectKey } from "../../kube/resources.ts";
import type { Gate } from "../../lib/fairGate.ts";
import { inParallel } from "../../lib/parallel.ts";
import { debounceGeneration, debounceHash } from "../../model/keys/debounce.ts";
import { TaskRuns } from "../../model/kinds.ts";
import { queueNameOf } from "../../model/queue/governing.ts";
import type { TaskRun } from "../../model/resources.ts";
import { isFinished } from "../../model/run/phase.ts";
import { exactly, inLine, lineIndex, slotIndex } from "../../model/run/waiting.ts";
import { historyCursor } from "../../storage/layout.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { listHistory, readHistory, readLastHistory } from "../../storage/runHistory.ts";
import { unlessUnreadable } from "../../storage/stored.ts";
import { withSummaries } from "../../storage/summaryCache.ts";
import { fromLive, fromSummary } from "./listed.ts";

export interface ReadRun extends TaskRun {
  /** Its id, where that of its name is, or may be, another run's. */
  id?: string;
}

interface RunPage {
  runs: ReadRun[];
  /** Cursors of the older and the newer page; absent where there is none. */
  next?: string;
  previous?: string;
}

interface PageOptions {
  size: number;
  after?: string;
  before?: string;
}

/**
 * Summaries of history that one list looks at, at most: a filter that matches few ends with the cursor of
 * where it was, and so does its cost.
 */
const scanLimit = 1_000;
/** Bytes of summaries that are kept: lists that are polled read each once. */
const keptSummaryBytes = 16 * 1024 * 1024;
const scanPage = 100;
const staleMs = 150_000;
const namePattern = /^[a-z0-9]([-a-z0-9.]{0,56}[a-z0-9])?$/;

export class RunReader {
  readonly #client: KubeClient;
  readonly #store: Stores<"get" | "list" | "unreadable">;
  readonly #gate: Gate | undefined;
  readonly #cache: Informer<TaskRun>;
  /** By `namespace/name`: a change costs those who watch this run, not all that watch one. */
  readonly #watchers = new Map<string, Set<() => void>>();

  /** `gate`: of lists. */
  constructor(
    client: KubeClient,
    store: Stores<"get" | "list" | "unreadable">,
    namespaces: readonly string[],
    log: Logger,
    gate?: Gate,
  ) {
    this.#client = client;
    this.#gate = gate;
    this.#store = withSummaries(store, keptSummaryBytes);
    this.#cache = new Informer(client, TaskRuns, { namespaces, transform: fromLive, log });
    this.#cache.on("change", (key) => {
      for (const onChange of this.#watchers.get(key) ?? []) onChange();
    });
    this.#cache.addIndex("namespace", ({ metadata }) => [metadata.namespace]);
    this.#cache.addIndex("debounce", ({ metadata, spec }) =>
      spec.debounce && spec.task !== undefined
        ? [debounceHash(metadata.namespace, spec.task, spec.debounce.key)]
        : [],
    );
    this.#cache.addIndex("unfinished", (run) => (isFinished(run) ? [] : [run.metadata.namespace]));
    this.#cache.addIndex("slots", slotIndex);
    this.#cache.addIndex("line", lineIndex);
    this.#cache.addIndex("batch", ({ metadata }) => {
      const batch = metadata.labels?.[batchLabel];
      return batch === undefined ? [] : [`${metadata.namespace}/${batch}`];
    });
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#cache.start(signal);
  }

  /** Whether lists are up to date: a watch receives a bookmark about every minute. */
  isFresh(nowMs: number): boolean {
    return this.#cache.synced && nowMs - this.#cache.lastActivityAt < staleMs;
  }

  /** Live or retired. With a uid: that run and no other; else the one that has the name, or had it last. */
  async get(namespace: string, name: string, uid?: string): Promise<ReadRun | undefined> {
    if (!namePattern.test(name)) return undefined;
    const live = await this.#client.get(TaskRuns, namespace, name);
    if (uid === undefined) return live ?? readLastHistory(this.#store, namespace, name);
    const run = live?.metadata.uid === uid ? live : await readHistory(this.#store, namespace, { name, uid });
    return run && { ...run, id: runId(name, uid) };
  }

  /** As this replica's watch has seen it, without what lists leave out. */
  seen(namespace: string, name: string): TaskRun | undefined {
    return this.#cache.get(namespace, name);
  }

  /** The youngest run of a debounce key that this replica has seen. */
  youngestOf(namespace: string, task: string, key: string): TaskRun | undefined {
    return this.#cache
      .byIndex("debounce", debounceHash(namespace, task, key))
      .reduce<TaskRun | undefined>(
        (youngest, run) =>
          youngest && debounceGeneration(youngest) >= debounceGeneration(run) ? youngest : run,
        undefined,
      );
  }

  /** The runs that this replica has seen of a batch, and of earlier ones of that name; in any order. */
  runsOfBatch(namespace: string, name: string): TaskRun[] {
    return this.#cache.byIndex("batch", `${namespace}/${name}`);
  }

  /** How many unfinished runs of the namespace this replica has seen. */
  unfinishedIn(namespace: string): number {
    return this.#cache.countByIndex("unfinished", namespace);
  }

  /** Whether a live run that this replica has seen is in the queue. */
  hasRunIn(namespace: string, queue: string): boolean {
    return this.#cache
      .byIndex("namespace", namespace)
      .some((run) => queueNameOf(run, undefined) === queue && !isFinished(run));
  }

  /** The run with its place in line as this replica sees it now; one that waits for no slot as it is. */
  inLine<R extends TaskRun>(run: R): R {
    const { status } = run;
    const [lane] = lineIndex(run);
    if (!status || lane === undefined) return run;
    const others = this.#cache
      .byIndex("line", lane)
      .filter(({ metadata }) => metadata.uid !== run.metadata.uid);
    const place = 1 + others.filter((other) => inLine(other, run) < 0).length;
    const counted = status.reason === "NamespaceFull" ? run.metadata.namespace : lane;
    const running = this.#cache.countByIndex("slots", counted);
    return { ...run, status: { ...status, ...exactly(run, { place, queued: others.length + 1, running }) } };
  }

  /** Calls `onChange` for every change of the run that the watch sees; returns a function that stops it. */
  watch(namespace: string, name: string, onChange: () => void): () => void {
    const key = objectKey(namespace, name);
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers.add(onChange));
    return () => {
      watchers.delete(onChange);
      if (watchers.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key);
    };
  }

  /** `after` goes to older runs, `before` to newer ones. */
  list(namespace: string, matchesFilter: (run: TaskRun) => boolean, page: PageOptions): Promise<RunPage> {
    const list = () => this.#list(namespace, matchesFilter, page);
    return this.#gate ? this.#gate.run(namespace, list) : list();
  }

  async #list(
    namespace: string,
    matchesFilter: (run: TaskRun) => boolean,
    { size, after, before }: PageOptions,
  ): Promise<RunPage> {
    const live = this.#cache.byIndex("namespace", namespace);
    const known = new Set(live.map(({ metadata }) => metadata.uid));
    const found = new Map(live.filter(matchesFilter).map((run) => [cursorOf(run), run]));
    const start = before === undefined ? after : undefined;
    let [cursor, scanned, wanted] = [start, 0, size + 1];
    if (before !== undefined) wanted = Number.POSITIVE_INFINITY;
    for (let matches = 0; scanned < scanLimit; ) {
      const page = await listHistory(this.#store, namespace, { after: cursor, limit: scanPage });
      scanned += page.runs.length;
      for (const run of page.runs.map((summary) => fromSummary(namespace, summary))) {
        // A run that is being retired is in both.
        if (known.has(run.metadata.uid) || !matchesFilter(run)) continue;
        found.set(cursorOf(run), run);
        matches++;
      }
      cursor = page.next;
      if (!cursor || matches >= wanted || (before !== undefined && cursor >= before)) break;
    }
    const page = cutPage(found, { size, after, before });
    // The list stopped at its limit, not at the end of history: the next page continues there.
    if (before === undefined && page.next === undefined && scanned >= scanLimit) page.next = cursor;
    await this.#distinguish(namespace, page.runs, known);
    return page;
  }

  /**
   * Gives those whose name a later run has, or had, an id of their own. Names that the API makes do not come
   * again.
   */
  async #distinguish(namespace: string, runs: ReadRun[], live: ReadonlySet<string>): Promise<void> {
    const retired = runs.filter(
      ({ metadata }) => !live.has(metadata.uid) && metadata.labels?.[originLabel] !== "api",
    );
    await inParallel(retired.values(), 16, async (run) => {
      const { name, uid } = run.metadata;
      const isTaken = this.#cache.get(namespace, name) !== undefined;
      const last = isTaken
        ? undefined
        : (await readLastHistory(this.#store, namespace, name).catch(unlessUnreadable))?.metadata.uid;
      if (last !== uid) run.id = runId(name, uid);
    });
  }
}

function cutPage(found: ReadonlyMap<string, TaskRun>, { size, after, before }: PageOptions): RunPage {
  const keys = [...found.keys()].sort();
  const [first, last] =
    before === undefined
      ? [keys.findIndex((key) => after === undefined || key > after), undefined]
      : [undefined, keys.findLastIndex((key) => key < before)];
  const from = first === -1 ? keys.length : (first ?? Math.max(0, (last ?? -1) + 1 - size));
  const page = keys.slice(from, last === undefined ? from + size : last + 1);
  return {
    runs: page.flatMap((key) => found.get(key) ?? []),
    next: from + page.length < keys.length ? page.at(-1) : undefined,
    previous: from > 0 ? page[0] : undefined,
  };
}

/** As in the keys of history: sorts newest first. */
const cursorOf = ({ metadata }: TaskRun): string => historyCursor(metadata);
