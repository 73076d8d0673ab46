/**
 * Sizes, counts and durations that more than one process has to agree on. The unit is in the name; where a limit is
 * somebody else's (Linux, Kubernetes, Trigger.dev), the comment says whose.
 */
const kib = 1024;
const mib = 1024 * kib;

/** A run's payload, and all payloads of one batch together. Trigger.dev's limit. */
export const maxPayloadBytes = 10 * mib;
/** `spec.payload` in the resource: larger ones would fill etcd, whose objects have at most 1.5 MiB. */
export const maxResourcePayloadBytes = 256 * kib;
/** `spec.payloadData`, which the API writes: larger ones go to the bucket, so that the runs stay cheap to cache. */
export const maxPayloadDataBytes = 8 * kib;
/** A payload in an environment variable. Linux refuses 128 KiB; half of it leaves room for the other variables. */
export const maxPayloadEnvBytes = 64 * kib;

/** A run's output. Trigger.dev's limit. */
export const maxOutputBytes = 100 * mib;
/** The copy of an output in a report and in the run's status. */
export const maxOutputCopyBytes = 8 * kib;
/** A payload or output within an answer of the API; a larger one is given as a URL. Trigger.dev's limit. */
export const maxInlineDataBytes = 512 * kib;

/** A run's metadata as JSON. Trigger.dev's limit. */
export const maxMetadataBytes = 256 * kib;

/** A container's termination message. Kubernetes cuts at this length. */
export const terminationMessageBytes = 4096;

/** Items of a batch. Trigger.dev's limit. */
export const maxBatchItems = 1000;

/** The longest delay, ttl, key lifetime and maximum duration of a run. */
export const yearSeconds = 365 * 24 * 3600;

/** How often one idempotency key may become free again. A walk over its runs ends here. */
export const maxKeyGenerations = 1000;
