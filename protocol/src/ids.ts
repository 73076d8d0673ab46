/**
 * Ids as users and clients write them. On the wire, an object's id is a prefix and the name of its resource;
 * the ids of tasks and the names of queues are the users' own.
 */

/**
 * A task's id or a queue's name: letters, digits and `_ . / : -`, a letter or digit first, not `. / : -`
 * last.
 */
export const idPattern = /^[A-Za-z0-9]([A-Za-z0-9_./:-]*[A-Za-z0-9_])?$/;
export const maxIdLength = 128;
/** For error messages. */
export const idRule = "1 to 128 letters, digits and _ . / : - (the first a letter or digit, the last also _)";

export const isId = (text: string): boolean => text.length <= maxIdLength && idPattern.test(text);

export const idPrefix = {
  run: "run_",
  batch: "batch_",
  schedule: "sched_",
  queue: "queue_",
  waitpoint: "waitpoint_",
} as const;

/**
 * A run's id names the run that has the name now, or had it last. Names that the API makes are not used
 * again; an applied one may be, and then the id with the uid is that of one run and no other.
 */
export const runId = (name: string, uid?: string): string =>
  idPrefix.run + (uid === undefined ? name : `${name}.${uid}`);
export const batchId = (name: string): string => idPrefix.batch + name;
export const tokenId = (name: string): string => idPrefix.waitpoint + name;
export const scheduleId = (name: string): string => idPrefix.schedule + name;
