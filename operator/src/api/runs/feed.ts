/**
 * A run's states for all who follow it: a change is read and written as JSON once, however many streams tell
 * it. Changes come from this replica's watch, the run is read live.
 *
 * A feed is there as long as somebody follows it. It is pinned to the run that it found first: a later one of
 * the same name is not its. It ends with the run's end or deletion, and when it cannot be read.
 */
import { randomUUID } from "node:crypto";
import { currentApiVersion } from "@fairlead/protocol/status";
import { pause } from "../../lib/time.ts";
import { isFinished } from "../../model/run/phase.ts";
import { Frame, type FrameSource } from "../http/eventStream.ts";
import { type DataDeps, loadRunData } from "./data.ts";
import type { RunReader } from "./reader.ts";
import { runObject } from "./wire/runObject.ts";

export interface FeedDeps extends DataDeps {
  reader: Pick<RunReader, "get" | "watch">;
}

/** Larger payloads and outputs are told by their URL. */
const inlineBytes = 64 * 1024;
/** Stands for the API's address, which readers know by different names. Nobody can know it. */
const placeholder = `${randomUUID()}.invalid`;
const origin = { protocol: "http", host: placeholder };

const [msOfFollower, longestRestMs] = [1, 1_000];

interface Followed {
  namespace: string;
  name: string;
  uid?: string;
}

class RunFeed implements FrameSource {
  readonly followers = new Set<() => void>();
  /** When the first state is there, or it is known that there is none; rejects when it cannot be read. */
  readonly begun: Promise<void>;
  newest: Frame | undefined;
  hasEnded = false;
  /** It could not be read: followers are to come again. */
  hasFailed = false;
  readonly #deps: FeedDeps;
  readonly #run: Followed;
  readonly #onEnd: () => void;
  #id: string | undefined;
  #text: string | undefined;
  #isLoading = false;
  #isStale = false;
  #restedAt = 0;

  constructor(deps: FeedDeps, run: Followed, onEnd: () => void) {
    this.#deps = deps;
    this.#run = { ...run };
    const stop = deps.reader.watch(run.namespace, run.name, () => this.#follow());
    this.#onEnd = () => {
      stop();
      onEnd();
    };
    this.begun = this.#load();
    this.begun.catch(() => undefined);
  }

  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.#onEnd();
    this.#tell();
  }

  #follow(): void {
    this.#load().catch(() => undefined);
  }

  /** One at a time; a change meanwhile reads the run once more. */
  async #load(): Promise<void> {
    this.#isStale = true;
    if (this.#isLoading) return;
    this.#isLoading = true;
    try {
      while (this.#isStale && !this.hasEnded) {
        // Telling many costs time: what changes meanwhile is told with the next state.
        if (this.#restedAt > performance.now()) await pause(this.#restedAt - performance.now());
        this.#isStale = false;
        await this.#loadOnce();
        const restMs = Math.min(this.followers.size * msOfFollower, longestRestMs);
        this.#restedAt = performance.now() + restMs;
      }
    } catch (error) {
      this.hasFailed = true;
      this.end();
      throw error;
    } finally {
      this.#isLoading = false;
    }
  }

  async #loadOnce(): Promise<void> {
    const { namespace, name, uid } = this.#run;
    const run = await this.#deps.reader.get(namespace, name, uid);
    if (!run) return this.end();
    if (this.newest) run.id = this.#id;
    else {
      this.#id = run.id;
      this.#run.uid = run.metadata.uid;
    }
    const data = await loadRunData(this.#deps, origin, run, inlineBytes);
    const text = JSON.stringify(runObject(run, currentApiVersion, data));
    if (text !== this.#text) {
      this.#text = text;
      const parts = `data: ${text}\n\n`.split(`http://${placeholder}`);
      this.newest = new Frame((this.newest?.version ?? 0) + 1, parts);
      this.#tell();
    }
    if (isFinished(run)) this.end();
  }

  #tell(): void {
    for (const onChange of this.followers) onChange();
  }
}

export class RunFeeds {
  readonly #deps: FeedDeps;
  readonly #feeds = new Map<string, RunFeed>();

  constructor(deps: FeedDeps) {
    this.#deps = deps;
  }

  /** Calls `onChange` for what is newer than `begun`; `leave` must be called. */
  follow(run: Followed, onChange: () => void): { feed: RunFeed; leave: () => void } {
    const key = `${run.namespace}/${run.name}/${run.uid ?? ""}`;
    const feed = this.#feeds.get(key) ?? this.#begin(key, run);
    feed.followers.add(onChange);
    return {
      feed,
      leave: () => {
        feed.followers.delete(onChange);
        if (feed.followers.size === 0) feed.end();
      },
    };
  }

  #begin(key: string, run: Followed): RunFeed {
    const feed: RunFeed = new RunFeed(this.#deps, run, () => {
      if (this.#feeds.get(key) === feed) this.#feeds.delete(key);
    });
    this.#feeds.set(key, feed);
    return feed;
  }
}
