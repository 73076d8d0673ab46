/**
 * Sizes, counts and durations that more than one process has to agree on. The unit is in the name; where a
 * limit is not ours (Linux, Kubernetes, Trigger.dev), the comment says whose it is.
 */

/** A run's payload, and all payloads of one batch together. Trigger.dev's limit. */
export const maxPayloadBytes = 10 * 1024 * 1024;
/** `spec.payload` in the resource: larger ones would fill etcd, whose objects have at most 1.5 MiB. */
export const maxResourcePayloadBytes = 256 * 1024;
/**
 * `spec.payloadData`, which the API writes: larger ones go to the bucket, so that the runs stay cheap to
 * cache.
 */
export const maxPayloadDataBytes = 8 * 1024;

/** A run's output. Trigger.dev's limit. */
export const maxOutputBytes = 100 * 1024 * 1024;
/** The copy of an output in a report and in the run's status. */
export const maxOutputCopyBytes = 8 * 1024;
/** A payload or output within an answer of the API; a larger one is given as a URL. Trigger.dev's limit. */
export const maxInlineDataBytes = 512 * 1024;

/** A run's metadata as JSON. Trigger.dev's limit. */
export const maxMetadataBytes = 256 * 1024;

/** A container's termination message. Kubernetes cuts at this length. */
export const terminationMessageBytes = 4096;

/** Items of a batch. Trigger.dev's limit. */
export const maxBatchItems = 1000;

/** The longest delay, ttl, key lifetime and maximum duration of a run. */
export const yearSeconds = 365 * 24 * 3600;

/** How often one idempotency key may become free again. A walk over its runs ends here. */
export const maxKeyGenerations = 1000;

/** As a maxDuration: no limit. Trigger.dev's number. */
export const maxDurationNone = 2_147_483_647;
