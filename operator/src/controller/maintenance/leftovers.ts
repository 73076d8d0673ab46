/**
 * Finds what no entry of expiry leads to: outputs, logs and payloads of runs that were deleted by hand or
 * never created, packets of clients, and what was written before there were entries. It goes over the
 * namespaces that are ours and all of their keys in order, a bounded number in each round, and notes in the
 * bucket where it was; from the end it begins again, a day after its last beginning at the earliest.
 *
 * What is found here is at least as old as history may be (packets: a day), belongs to no resource, and is
 * named by none. A retired run that is overdue gets an entry, by which its turn comes.
 */
import { z } from "zod";
import { BadKeyError } from "../../model/keys/objectKey.ts";
import { fileCursor } from "../../storage/expiry.ts";
import {
  historyFolder,
  historyIndexPrefix,
  historyKey,
  runFolder,
  runOfPayload,
} from "../../storage/layout.ts";
import { parseSummary } from "../../storage/runHistory.ts";
import { deleteRecords } from "./expired.ts";
import type { SweepRound } from "./sweepRound.ts";

const dayMs = 24 * 3600 * 1000;
/** Listings of a round, of up to 1,000 keys; other reads of a round. */
const [pagesPerRound, readsPerRound, deletesAtOnce] = [60, 2_000, 1_000];

const placeKey = "maintenance/leftovers.json";
const place = z.object({
  startedMs: z.number(),
  /** The namespace that is under way, and the key after which it goes on. */
  namespace: z.string().default(""),
  after: z.string(),
  isAtEnd: z.boolean(),
});
type Place = z.infer<typeof place>;

/** What is judged as a whole: the objects of one folder, or one object. */
interface Unit {
  prefix: string;
  namespace: string;
  area: string;
  keys: string[];
  newestMs: number;
}

export async function sweepLeftovers(round: SweepRound): Promise<void> {
  const begin = await readPlace(round);
  if (!begin) return;
  const next: Place = { ...begin, namespace: "", after: "", isAtEnd: true };
  const scan = new Scan(round);
  for await (const namespace of namespacesFrom(round, begin.namespace)) {
    if (!round.isResponsible(namespace)) continue;
    const after = namespace === begin.namespace ? begin.after : "";
    await round.part(namespace, async () => {
      const place = await scan.namespace(namespace, after);
      if (place !== undefined) Object.assign(next, { namespace, after: place, isAtEnd: false });
    });
    if (!next.isAtEnd) break;
  }
  await round.deps.store.own.put(placeKey, JSON.stringify(next), { type: "application/json" });
}

async function* namespacesFrom({ deps }: SweepRound, first: string): AsyncGenerator<string, void> {
  if (first !== "") yield first;
  yield* deps.store.namespaces(first || undefined);
}

/** Where to go on; undefined: the end was reached, and a day has not passed since the beginning. */
async function readPlace(round: SweepRound): Promise<Place | undefined> {
  const fresh = { startedMs: round.nowMs, namespace: "", after: "", isAtEnd: false };
  const object = await round.deps.store.own.get(placeKey, { maxBytes: 4096 });
  if (!object) return fresh;
  try {
    const known = place.parse(JSON.parse(new TextDecoder().decode(object.body)));
    if (!known.isAtEnd) return known;
    return round.nowMs - known.startedMs < dayMs ? undefined : fresh;
  } catch (error) {
    round.deps.store.own.unreadable(placeKey, error);
    return fresh;
  }
}

const folders = new Set(["runs", "batches", "records"]);

function unitOf(namespace: string, key: string): Pick<Unit, "prefix" | "area"> {
  const [, , area = "", name = ""] = key.split("/", 4);
  const isFolder = folders.has(area) && key.length > `ns/${namespace}/${area}/${name}`.length;
  return { prefix: isFolder ? `ns/${namespace}/${area}/${name}/` : key, area };
}

class Scan {
  readonly #round: SweepRound;
  readonly #found: string[] = [];
  #pages = 0;
  /** Beside the listings. */
  #reads = 0;

  constructor(round: SweepRound) {
    this.#round = round;
  }

  /** The key after which the next round goes on; undefined: all of the namespace was seen. */
  async namespace(namespace: string, begin: string): Promise<string | undefined> {
    let [listed, after] = [begin, begin];
    this.#found.length = 0;
    let unit: Unit | undefined;
    for (let more = true; more; ) {
      if (this.#isSpent) {
        await this.#flush(namespace);
        return after;
      }
      this.#pages++;
      const page = await this.#round
        .storeOf(namespace)
        .list(`ns/${namespace}/`, { startAfter: listed || undefined, limit: 1000 });
      more = page.more && page.objects.length > 0;
      for (const { key, modifiedMs } of page.objects) {
        listed = key;
        const { prefix, area } = unitOf(namespace, key);
        if (unit && unit.prefix !== prefix) {
          await this.#judge(unit);
          after = unit.keys.at(-1) ?? after;
          unit = undefined;
        }
        unit ??= { prefix, namespace, area, keys: [], newestMs: 0 };
        unit.keys.push(key);
        unit.newestMs = Math.max(unit.newestMs, modifiedMs);
      }
    }
    if (unit) await this.#judge(unit);
    await this.#flush(namespace);
    return undefined;
  }

  get #isSpent(): boolean {
    return this.#pages >= pagesPerRound || this.#reads >= readsPerRound || this.#round.isOver;
  }

  async #judge(unit: Unit): Promise<void> {
    const { horizonMs, nowMs } = this.#round;
    const isPacket = unit.area === "packets";
    if (unit.newestMs > (isPacket ? nowMs - dayMs : horizonMs)) return;
    if (this.#round.isReferred(unit.prefix)) return;
    try {
      if (!(await this.#isLeftOver(unit))) return;
    } catch (error) {
      // Its name is none of ours.
      if (!(error instanceof BadKeyError)) throw error;
      this.#round.skip(unit.namespace, unit.prefix, error);
      return;
    }
    this.#found.push(...unit.keys);
    if (this.#found.length >= deletesAtOnce) await this.#flush(unit.namespace);
  }

  /** Deletes what was found; what cannot be deleted is found again by the next pass. */
  async #flush(namespace: string): Promise<void> {
    await this.#round.delete(namespace, this.#found.splice(0));
  }

  async #isLeftOver(unit: Unit): Promise<boolean> {
    const { namespace, area, prefix, newestMs } = unit;
    const store = this.#round.storeOf(namespace);
    const rest = prefix.slice(`ns/${namespace}/${area}/`.length);
    switch (area) {
      case "packets":
      // Records of an earlier layout.
      case "keys":
        return true;
      case "runs": {
        const [, name = "", uid = ""] = /^(.*)\.([^.]+)\/$/.exec(rest) ?? [];
        if (this.#round.isAlive("run", namespace, name, uid)) return false;
        this.#reads++;
        return (await store.head(historyKey({ namespace, name, uid }))) === undefined;
      }
      case "batches": {
        const [, name = "", uid = ""] = /^(.*)\.([^.]+)\/$/.exec(rest) ?? [];
        return !this.#round.isAlive("batch", namespace, name, uid);
      }
      case "payloads": {
        this.#reads++;
        const page = await store.list(historyFolder(namespace, runOfPayload(namespace, prefix)), {
          limit: 1,
        });
        return page.objects.length === 0;
      }
      case "records":
        this.#reads += unit.keys.length + 1;
        await deleteRecords(this.#round, namespace, rest.slice(0, -1));
        return false;
      case "history":
        return rest.startsWith("index/")
          ? this.#fileOverdue(unit)
          : this.#isWithoutSummary(namespace, rest, newestMs);
      default:
        return false;
    }
  }

  /** A summary that is older than history may be was not filed, or its turn is near. */
  async #fileOverdue({ namespace, prefix: key, newestMs }: Unit): Promise<boolean> {
    const { store } = this.#round.deps;
    const cursor = key.slice(historyIndexPrefix(namespace).length);
    const [, name, uid] = /^\d{13}\.(.+)\.([^.]+)$/.exec(cursor) ?? [];
    // A summary of an earlier layout.
    if (name === undefined || uid === undefined) return true;
    if (this.#round.isReferred(runFolder({ namespace, name, uid }))) return false;
    this.#reads++;
    const object = await store.of(namespace).get(key, { maxBytes: 64 * 1024 });
    let payloadKey: string | undefined;
    try {
      if (object) ({ payloadKey } = parseSummary(namespace, key, object.body));
    } catch (error) {
      this.#round.skip(namespace, key, error);
    }
    await fileCursor(store, namespace, cursor, newestMs, payloadKey);
    return false;
  }

  /** A run with a summary was deleted by its entry before this time. */
  #isWithoutSummary(namespace: string, rest: string, modifiedMs: number): boolean {
    const [, name, uid] = /^runs\/(.+)\/([^/]+)\.json\.gz$/.exec(rest) ?? [];
    const isHeld = name && uid && this.#round.isReferred(runFolder({ namespace, name, uid }));
    return !isHeld && modifiedMs <= this.#round.horizonMs - dayMs;
  }
}
