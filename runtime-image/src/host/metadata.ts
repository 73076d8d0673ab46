/**
 * The slot "run-metadata". Changes count at once in the attempt's own copy; they are sent together, a second
 * after the first of them, and before the attempt reports. An API that is down costs them nothing while the
 * attempt runs: they are kept, and sent with the next. Their number is bounded: beyond, they become one for
 * each key.
 *
 * `parent` and `root` change the metadata of those runs. A run without a parent is its own.
 */
import { Refused } from "../http.ts";
import { apply, collapsed, folded, keyProblem, type Operation } from "./metadataOperations.ts";

type Metadata = Record<string, unknown>;

interface MetadataChanges {
  operations: Operation[];
  parentOperations: Operation[];
  rootOperations: Operation[];
}

interface MetadataApi {
  /** Applies the changes; the run's metadata after them. */
  put(changes: Partial<MetadataChanges>, timeoutMs: number): Promise<Metadata>;
  get(timeoutMs: number): Promise<Metadata>;
}

interface MetadataDeps {
  api: MetadataApi;
  warn: (line: string) => void;
  stream: (key: string, source: AsyncIterable<unknown>, target: string, signal?: AbortSignal) => unknown;
  isRoot: () => boolean;
}

const flushAfterMs = 1000;
const callMs = 10_000;
/** More of them are folded, and sent in calls of so many. */
const foldAbove = 2000;
const operationsPerCall = 500;

const lists = ["operations", "parentOperations", "rootOperations"] as const;
type List = (typeof lists)[number];
const targets = { operations: "self", parentOperations: "parent", rootOperations: "root" } as const;

export class RunMetadata {
  readonly #deps: MetadataDeps;
  readonly #queued: MetadataChanges = { operations: [], parentOperations: [], rootOperations: [] };
  #current: Metadata = {};
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  readonly parent = this.#updater("parentOperations");
  readonly root = this.#updater("rootOperations");
  readonly #self = this.#updater("operations");

  constructor(deps: MetadataDeps) {
    this.#deps = deps;
  }

  /** The slot's object. */
  get slot(): object {
    return {
      ...this.#self,
      parent: this.parent,
      root: this.root,
      current: () => this.#current,
      getKey: (key: string) => this.#current[key],
      flush: () => this.flush(),
      refresh: async () => {
        this.#current = await this.#deps.api.get(callMs);
      },
      enterWithMetadata: (metadata?: Metadata) => this.enter(metadata),
    };
  }

  /** What the run has when the attempt begins. */
  enter(metadata: Metadata = {}): void {
    this.#current = metadata;
  }

  /** Sends what is queued. Never rejects: no result of a run depends on it. */
  async flush(timeoutMs = callMs): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    await this.#sending;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#count === 0) return;
    const sending = this.#send(deadline);
    this.#sending = sending;
    await sending;
    if (this.#sending === sending) this.#sending = undefined;
  }

  get #count(): number {
    return lists.reduce((sum, list) => sum + this.#queued[list].length, 0);
  }

  #updater(list: List) {
    const add = (operation: Operation): typeof updater => {
      this.#add(list, operation);
      return updater;
    };
    const updater = {
      set: (key: string, value: unknown) => add({ type: "set", key, value }),
      del: (key: string) => add({ type: "delete", key }),
      append: (key: string, value: unknown) => add({ type: "append", key, value }),
      remove: (key: string, value: unknown) => add({ type: "remove", key, value }),
      increment: (key: string, value = 1) => add({ type: "increment", key, value }),
      decrement: (key: string, value = 1) => add({ type: "increment", key, value: -value }),
      update: (value: Metadata) => add({ type: "update", value }),
      stream: async (key: string, source: AsyncIterable<unknown>, signal?: AbortSignal) =>
        this.#deps.stream(key, source, targets[list], signal),
    };
    return updater;
  }

  #add(list: List, operation: Operation): void {
    const problem = operation.type === "update" ? undefined : keyProblem(operation.key);
    if (problem !== undefined) {
      const key = String((operation as { key: unknown }).key).slice(0, 80);
      this.#deps.warn(`metadata: "${key}" ${problem}: it is left out`);
      return;
    }
    const plain = asJson(operation);
    if (!plain) {
      this.#deps.warn(`metadata: the value of a ${operation.type} is no JSON: it is left out`);
      return;
    }
    if (list === "operations" || this.#deps.isRoot()) {
      const { metadata, sent } = apply(this.#current, plain);
      this.#current = metadata;
      if (!sent) return;
      this.#queued.operations.push(sent);
    } else this.#queued[list].push(plain);
    if (this.#queued[list].length > foldAbove) this.#shorten(list);
    if (this.#timer) return;
    this.#timer = setTimeout(() => void this.flush(), flushAfterMs);
    this.#timer.unref();
  }

  #shorten(list: List): void {
    this.#queued[list] = collapsed(this.#queued[list]);
    if (list === "operations" && this.#queued.operations.length > foldAbove)
      this.#queued.operations = folded(this.#queued.operations, this.#current);
    // What another run has nobody here knows: the oldest changes of it go.
    else this.#queued[list].splice(0, this.#queued[list].length - foldAbove);
  }

  async #send(deadline: number): Promise<void> {
    for (const list of lists) {
      const all = collapsed(this.#queued[list].splice(0));
      while (all.length > 0) {
        const some = all.slice(0, operationsPerCall);
        try {
          await this.#put(list, some, deadline);
          all.splice(0, some.length);
        } catch (error) {
          this.#queued[list].unshift(...all);
          this.#deps.warn(`metadata: not sent, the next try follows: ${(error as Error).message}`);
          return;
        }
      }
    }
  }

  /** Leaves out what the API refuses, and nothing else; throws when the call itself fails. */
  async #put(list: List, some: Operation[], deadline: number): Promise<void> {
    try {
      const timeoutMs = Math.max(1, Math.min(callMs, deadline - performance.now()));
      const metadata = await this.#deps.api.put({ [list]: some }, timeoutMs);
      if (this.#queued.operations.length === 0 && list === "operations") this.#current = metadata;
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 409 || error.status === 401) throw error;
      const [first] = some;
      if (some.length > 1) {
        const half = Math.ceil(some.length / 2);
        await this.#put(list, some.slice(0, half), deadline);
        await this.#put(list, some.slice(half), deadline);
      } else if (first) {
        const what = first.type === "update" ? "replace" : `${first.type} "${first.key}"`;
        this.#deps.warn(`metadata: the API refused ${what}: ${error.message}`);
      }
    }
  }
}

/** As the API will read it: dates become texts, what JSON lacks is gone. */
function asJson(operation: Operation): Operation | undefined {
  try {
    const plain = JSON.parse(JSON.stringify(operation)) as Operation;
    const needsValue = plain.type !== "delete";
    if (needsValue && plain.value === undefined) return undefined;
    if (plain.type === "increment" && typeof plain.value !== "number") return undefined;
    if (plain.type === "update" && (typeof plain.value !== "object" || plain.value === null))
      return undefined;
    return plain;
  } catch {
    return undefined;
  }
}
