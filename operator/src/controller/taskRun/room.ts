/**
 * How many runs may be admitted besides what the limits say: as many as the cluster finds nodes for. It is
 * not known how much room there is, only what becomes of the pods, so each namespace has a window, as a
 * sender of packets has: so many runs may be on the way to a node at once.
 *
 *   a pod finds its node             ─► the window grows by one, up to 100
 *   a pod finds none, for want of room ─► it halves, down to one. The run holds back its own queue alone,
 *                                       which may try one more every ten seconds: that one may be smaller
 *   an autoscaler makes a node for it  ─► outside of the window; up to 20 runs of a queue wait so
 *   it waits for something else        ─► counts for nothing: a scheduling gate, an image, what can never be
 *
 * What is known here is lost with the term. A run that has not found its node is seen again when it is
 * looked at, and one that nobody looks at any more is forgotten.
 */
import { queueNameOf } from "../../model/queue/governing.ts";
import type { TaskRun } from "../../model/resources.ts";
import type { Grant, QueueGrant, RoomNow, StartRoom } from "../../queue/admission.ts";
import { queuePart } from "../../queue/keys.ts";

/** Where the start of a run has come to. */
export type Place = "expected" | "noRoom" | "scaling" | "elsewhere" | "onNode";

interface Entry {
  queue: string;
  slot: number;
  place: "expected" | "noRoom" | "scaling";
  /** When it got its slot, or was first seen. */
  since: number;
  seenAt: number;
  /** What the scheduler or the quota says. */
  why?: string;
}

interface NamespaceRoom {
  window: number;
  /** By the run's uid. */
  entries: Map<string, Entry>;
  /** For who only wants to say why it waits. */
  told?: { at: number; now: RoomNow; why: ReadonlyMap<string, string> };
}

/** How old that may be. */
const toldMs = 1_000;

interface RoomOptions {
  /** Milliseconds since the epoch. */
  clock: () => number;
  /** There may be room for more in the namespace. */
  onChange: (namespace: string) => void;
}

const [firstWindow, largestWindow] = [20, 100];
/** Runs of a namespace that found no room, at once, whatever their queues are. */
const mostWithoutRoom = 100;
const mostScaling = 20;
const probeMs = 10_000;
/** For how long an entry counts that nobody has looked at since. */
const lifeMs = { expected: 30_000, noRoom: 90_000, scaling: 15 * 60_000 } as const;

export class Room implements StartRoom {
  readonly #options: RoomOptions;
  readonly #namespaces = new Map<string, NamespaceRoom>();

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /** A new term begins with nothing. */
  clear(): void {
    this.#namespaces.clear();
  }

  drop(namespace: string): void {
    this.#namespaces.delete(namespace);
  }

  now(namespace: string): RoomNow {
    const { window, entries } = this.#of(namespace);
    const now = this.#options.clock();
    const queues = new Map<string, QueueCount>();
    let [expected, noRoom, againAt] = [0, 0, Number.POSITIVE_INFINITY];
    for (const [uid, entry] of entries) {
      const goneAt = entry.seenAt + lifeMs[entry.place];
      if (now >= goneAt) {
        entries.delete(uid);
        continue;
      }
      const { queue, place, since } = entry;
      if (place === "expected") expected++;
      if (place === "noRoom") noRoom++;
      if (place !== "scaling") againAt = Math.min(againAt, goneAt);
      const count = queues.get(queue) ?? { all: 0, noRoom: 0, scaling: 0, since: 0 };
      queues.set(queue, count);
      count.all++;
      if (place !== "expected") count[place]++;
      count.since = Math.max(count.since, since);
    }
    const left = new Map<string, number>();
    for (const [queue, count] of queues) {
      if (count.scaling > 0) left.set(queue, Math.max(0, mostScaling - count.all));
      else if (count.noRoom > 0) {
        const probeAt = count.since + probeMs;
        left.set(queue, now >= probeAt ? 1 : 0);
        if (now < probeAt) againAt = Math.min(againAt, probeAt);
      }
    }
    const most = Math.max(0, Math.min(window - expected, mostWithoutRoom - noRoom));
    return { most, queues: left, ...(Number.isFinite(againAt) && { againAt }) };
  }

  granted({ namespace, uid, queue, slot }: QueueGrant): void {
    const now = this.#options.clock();
    this.#of(namespace).entries.set(uid, { queue, slot, place: "expected", since: now, seenAt: now });
  }

  released({ namespace, uid, slot }: Grant): void {
    const entry = this.#namespaces.get(namespace)?.entries.get(uid);
    if (entry && entry.slot <= slot) this.left({ namespace, uid });
  }

  /** The run has its slot, and was looked at. `why`: what keeps it from a node. */
  seen(run: TaskRun, place: Place, why?: string): void {
    const { namespace, uid } = run.metadata;
    const known = this.#of(namespace);
    if (place === "onNode" || place === "elsewhere") {
      const wasExpected = known.entries.has(uid);
      if (place === "onNode" && wasExpected) known.window = Math.min(largestWindow, known.window + 1);
      this.left(run.metadata);
      return;
    }
    const now = this.#options.clock();
    const before = known.entries.get(uid);
    if (place === "noRoom" && before?.place !== "noRoom") {
      known.window = Math.max(1, Math.floor(known.window / 2));
    }
    known.entries.set(uid, {
      queue: before?.queue ?? queuePart(queueNameOf(run, undefined)),
      slot: run.status?.slot ?? 0,
      place,
      since: before?.since ?? now,
      // Nothing new is known of one that is only expected still.
      seenAt: place === "expected" && before?.place === "expected" ? before.seenAt : now,
      ...(why !== undefined && { why }),
    });
    if (before && before.place !== place) this.#options.onChange(namespace);
  }

  /** The run does not wait for a node any more. */
  left({ namespace, uid }: Pick<TaskRun["metadata"], "namespace" | "uid">): void {
    if (this.#namespaces.get(namespace)?.entries.delete(uid)) this.#options.onChange(namespace);
  }

  /** Whether runs may have been refused for want of room, and what one that found none was told. */
  tight(namespace: string, queue: string): { why?: string } | undefined {
    const known = this.#namespaces.get(namespace);
    if (!known || known.entries.size === 0) return undefined;
    const now = this.#options.clock();
    if (!known.told || now - known.told.at >= toldMs) {
      const whys = [...known.entries.values()].flatMap(({ queue, why }) =>
        why ? [[queue, why] as const] : [],
      );
      known.told = { at: now, now: this.now(namespace), why: new Map(whys) };
    }
    const name = queuePart(queue);
    const { most, queues } = known.told.now;
    if (queues.has(name)) return { why: known.told.why.get(name) };
    return most < 1 ? {} : undefined;
  }

  #of(namespace: string): NamespaceRoom {
    const known = this.#namespaces.get(namespace);
    if (known) return known;
    const created: NamespaceRoom = { window: firstWindow, entries: new Map() };
    this.#namespaces.set(namespace, created);
    return created;
  }
}

/** Runs of one queue that are on the way to a node. */
interface QueueCount {
  all: number;
  noRoom: number;
  scaling: number;
  /** When the last of them began. */
  since: number;
}
