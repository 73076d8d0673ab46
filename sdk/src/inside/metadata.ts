/**
 * The run's metadata, from within its task: JSON that clients can follow while it runs. Changes count at once
 * here, and are sent together, about a second later and at the end. Outside of a run nothing happens.
 */
import { slot } from "../slots.ts";

/** Changes metadata; each call returns the same object again. */
export interface MetadataUpdater {
  /** `key`: a name, or a path such as `$.steps.0.done`. */
  set(key: string, value: unknown): MetadataUpdater;
  del(key: string): MetadataUpdater;
  /** Adds to a list; another value becomes the first of one. */
  append(key: string, value: unknown): MetadataUpdater;
  /** Removes every equal element of a list. */
  remove(key: string, value: unknown): MetadataUpdater;
  increment(key: string, by?: number): MetadataUpdater;
  decrement(key: string, by?: number): MetadataUpdater;
}

interface MetadataSlot extends MetadataUpdater {
  update(metadata: Record<string, unknown>): unknown;
  current(): Record<string, unknown> | undefined;
  getKey(key: string): unknown;
  flush(): Promise<void>;
  refresh(): Promise<void>;
  parent: MetadataUpdater;
  root: MetadataUpdater;
}

const host = (): MetadataSlot | undefined => slot<MetadataSlot>("run-metadata");

function updater(target: () => MetadataUpdater | undefined): MetadataUpdater {
  const change = (work: (to: MetadataUpdater) => unknown): MetadataUpdater => {
    const to = target();
    if (to) work(to);
    return self;
  };
  const self: MetadataUpdater = {
    set: (key, value) => change((to) => to.set(key, value)),
    del: (key) => change((to) => to.del(key)),
    append: (key, value) => change((to) => to.append(key, value)),
    remove: (key, value) => change((to) => to.remove(key, value)),
    increment: (key, by = 1) => change((to) => to.increment(key, by)),
    decrement: (key, by = 1) => change((to) => to.decrement(key, by)),
  };
  return self;
}

export const metadata = {
  ...updater(host),
  /** All of it, with the changes made here; undefined outside of a run. */
  current: (): Record<string, unknown> | undefined => host()?.current(),
  get: (key: string): unknown => host()?.getKey(key),
  /** Takes the place of all that was there. */
  replace: (all: Record<string, unknown>): void => void host()?.update(all),
  /** Sends the changes now. */
  flush: async (): Promise<void> => host()?.flush(),
  /** Reads what is there now, with changes from elsewhere. */
  refresh: async (): Promise<void> => host()?.refresh(),
  /** The metadata of the run that triggered this one; this run's own when there is none. */
  parent: updater(() => host()?.parent),
  /** The metadata of the first run of the chain. */
  root: updater(() => host()?.root),
};
