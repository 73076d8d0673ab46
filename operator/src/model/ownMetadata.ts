/**
 * What a cache keeps of an object's metadata: who it is, and what Fairlead wrote or reads. Labels and
 * annotations of others, and finalizers, can be of any size, and nothing is decided by them.
 */
import { managedByLabel } from "@fairlead/protocol/labels";

interface Marked {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: unknown[];
  finalizers?: string[];
}

const ours = "fairlead.dev/";
const isOurs = (name: string): boolean => name.startsWith(ours) || name === managedByLabel;
/** Of the values that are ours only a list of request ids is longer, which is read live. */
const maxValueLength = 2048;
/** Our own come first: what Fairlead makes has one. */
const maxOwners = 8;

/** Pure; applied again it changes nothing. */
export function ownMetadata<M extends Marked>({ finalizers: _, ...metadata }: M): M {
  const kept: Marked = { ...metadata };
  if (kept.labels) kept.labels = ownMarks(kept.labels);
  if (kept.annotations) kept.annotations = ownMarks(kept.annotations);
  if (kept.ownerReferences) kept.ownerReferences = kept.ownerReferences.slice(0, maxOwners);
  return kept as M;
}

const ownMarks = (marks: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(marks).filter(([name, value]) => isOurs(name) && value.length <= maxValueLength),
  );
