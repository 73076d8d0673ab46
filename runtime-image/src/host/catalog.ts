/**
 * The slot "resource-catalog": the tasks and queues that the loaded modules define, and where.
 *
 * As in Trigger.dev the last definition of an id is the one that counts, and the first one of a queue. Both
 * definitions of an id that comes twice are kept: which one is meant nobody can know, so that such a task
 * does not run (loader.ts).
 */
import type { CatalogSlot, QueueMetadata, TaskMetadata } from "@fairlead/sdk/slots";

export interface Definition extends TaskMetadata {
  /** `FILE:LINE:COLUMN` of the call that defined it; undefined when the stack does not say. */
  at?: string;
}

export interface Duplicate {
  id: string;
  at: (string | undefined)[];
}

export class Catalog implements CatalogSlot {
  readonly #tasks = new Map<string, Definition>();
  readonly #duplicates = new Map<string, Duplicate>();
  readonly #queues = new Map<string, QueueMetadata>();
  #isLoaded = false;

  /** From here on tasks are defined by imports of running code: a module that comes twice is no mistake. */
  loaded(): void {
    this.#isLoaded = true;
  }

  get tasks(): readonly Definition[] {
    return [...this.#tasks.values()];
  }

  get queues(): readonly QueueMetadata[] {
    return [...this.#queues.values()];
  }

  get duplicates(): readonly Duplicate[] {
    return [...this.#duplicates.values()];
  }

  duplicateOf(id: string): Duplicate | undefined {
    return this.#duplicates.get(id);
  }

  registerTaskMetadata(task: TaskMetadata): void {
    if (!task.id) return;
    const at = placeIn(new Error().stack ?? "", "outermost");
    const before = this.#tasks.get(task.id);
    if (before && !this.#isLoaded) {
      const known = this.#duplicates.get(task.id) ?? { id: task.id, at: [before.at] };
      known.at.push(at);
      this.#duplicates.set(task.id, known);
    }
    this.#tasks.set(task.id, { ...task, at });
  }

  updateTaskMetadata(id: string, { fns, ...changes }: Partial<TaskMetadata>): void {
    const task = this.#tasks.get(id);
    if (task) this.#tasks.set(id, { ...task, ...changes, fns: { ...task.fns, ...fns } });
  }

  getTask(id: string): Definition | undefined {
    return this.#tasks.get(id);
  }

  taskExists(id: string): boolean {
    return this.#tasks.has(id);
  }

  getTaskManifest(id: string): Definition | undefined {
    return this.#tasks.get(id);
  }

  getTaskSchema(id: string): unknown {
    return this.#tasks.get(id)?.schema;
  }

  listTaskManifests(): Definition[] {
    return [...this.#tasks.values()];
  }

  registerQueueMetadata(queue: QueueMetadata): void {
    if (!this.#queues.has(queue.name)) this.#queues.set(queue.name, queue);
  }

  listQueueManifests(): QueueMetadata[] {
    return [...this.#queues.values()];
  }

  setCurrentFileContext(): void {}
  clearCurrentFileContext(): void {}
  registerWorkerManifest(): void {}
}

/** Frames of the runner itself, of an SDK and of Node. */
const internal = /node:|\/@trigger\.dev\/|\/@fairlead\/sdk\/|\/(trigger-)?sdk(-[\d.]+|-v3)?\/(dist|src)\//;

/**
 * The place of a frame that is neither the runner's nor an SDK's: the outermost is where a definition stands,
 * since definitions are made while a module is evaluated; the innermost is where an error comes from.
 */
export function placeIn(stack: string, which: "outermost" | "innermost"): string | undefined {
  const frames = stack.split("\n").flatMap((line) => {
    const place = /(?:\(|^at )((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/.exec(line.trim())?.[1];
    if (!/^\s*at (?!async )/.test(line) || !place) return [];
    return place.includes(import.meta.url) || internal.test(place) ? [] : [place.replace(/^file:\/\//, "")];
  });
  return frames.at(which === "outermost" ? -1 : 0);
}
