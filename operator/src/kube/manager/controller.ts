/**
 * What a controller declares: the objects that it looks after, what brings a key back to it, and what it does
 * then. The manager does the rest. `D` is what its reconciler needs, caches included; several controllers may
 * share one.
 *
 * A reconciler is level-triggered: it gets a key, reads the present state, does what is to be done and
 * returns when it wants to look again. It never learns which change brought the key.
 */
import { type KubeObject, keyOf, objectKey } from "../resources.ts";
import type { Lane, Requeue } from "./requeue.ts";

/** An Event about an object, for `kubectl describe`. */
export interface ObjectEvent {
  type: "Normal" | "Warning";
  reason: string;
  message: string;
}

/** The part of an informer that is needed. */
export interface Watched<T> {
  list(): Iterable<T>;
  on(event: "change", handler: (key: string, before: T | undefined, after: T | undefined) => void): unknown;
}

interface ControllerDeclaration<D, T extends KubeObject> {
  /** For logs and metrics, as in `taskRun`. */
  name: string;
  /** The objects that it looks after: a change brings their key, and a new leader begins with all of them. */
  objects?: (deps: D) => Watched<T>;
  /** What else brings a key. */
  watches?: readonly Watch<D>[];
  /** The Events of a change. `before` is undefined for a new object. */
  events?: (before: T | undefined, after: T) => readonly ObjectEvent[];
  /** In the lane "fast" nothing is done that may hang: it is left to the slow workers, by `slowly`. */
  reconcile: (deps: D, key: string, lane: Lane) => Promise<Requeue>;
}

/** What the manager offers to a watch. None of it does anything while this process does not lead. */
export interface WatchContext {
  /** Calls the handler for each change of what the informer holds. */
  subscribe<T>(
    informer: Watched<T>,
    handler: (key: string, before: T | undefined, after: T | undefined) => void,
  ): void;
  /** Adds a key to the controller's work queue. */
  add(key: string): void;
  record(object: KubeObject, event: ObjectEvent): void;
}

type Watch<D> = (deps: D, context: WatchContext) => void;

/**
 * A declaration without the type of its objects, so that controllers of different kinds fit into one list.
 */
export interface Controller<D> {
  readonly name: string;
  readonly watches: readonly Watch<D>[];
  /** What a new leader begins with. */
  readonly initialKeys: (deps: D) => Iterable<string>;
  readonly reconcile: (deps: D, key: string, lane: Lane) => Promise<Requeue>;
}

export function controllerOf<D, T extends KubeObject = KubeObject>(
  declaration: ControllerDeclaration<D, T>,
): Controller<D> {
  const { name, objects, watches = [], events, reconcile } = declaration;
  const own: Watch<D>[] = [];
  if (objects) own.push(onChange(objects, (object) => [keyOf(object)]));
  if (objects && events) own.push(recordEvents(objects, events));
  return {
    name,
    watches: [...own, ...watches],
    initialKeys: (deps) => (objects ? [...objects(deps).list()].map(keyOf) : []),
    reconcile,
  };
}

/** A change of an object brings the keys that it concerned before and those that it concerns now. */
export function onChange<D, T>(
  objects: (deps: D) => Watched<T>,
  keysOf: (object: T, deps: D) => Iterable<string>,
): Watch<D> {
  return (deps, { subscribe, add }) =>
    subscribe(objects(deps), (_key, before, after) => {
      for (const object of [before, after]) {
        if (object) for (const key of keysOf(object, deps)) add(key);
      }
    });
}

/** Key function for objects that name another one of their namespace in a label. */
export const keyOfLabel =
  (label: string) =>
  ({ metadata }: KubeObject): string[] => {
    const name = metadata?.labels?.[label];
    return name ? [objectKey(metadata?.namespace, name)] : [];
  };

function recordEvents<D, T extends KubeObject>(
  objects: (deps: D) => Watched<T>,
  events: (before: T | undefined, after: T) => readonly ObjectEvent[],
): Watch<D> {
  return (deps, { subscribe, record }) =>
    subscribe(objects(deps), (_key, before, after) => {
      if (!after) return;
      const isSame = before?.metadata?.uid === after.metadata?.uid;
      for (const event of events(isSame ? before : undefined, after)) record(after, event);
    });
}
