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

export const idPrefix = { run: "run_", batch: "batch_", schedule: "sched_", queue: "queue_" } as const;

export const runId = (name: string): string => idPrefix.run + name;
export const batchId = (name: string): string => idPrefix.batch + name;
export const scheduleId = (name: string): string => idPrefix.schedule + name;
