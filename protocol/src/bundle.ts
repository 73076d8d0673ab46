/** A task's code in the bucket: how its parts are named, and how many there may be. */
export const sha256Pattern = /^[0-9a-f]{64}$/;

/** Of the archive with the code, and of the one with packages that cannot be bundled. */
export const maxCodeParts = 16;
export const maxDependencyParts = 64;
export const maxParts = maxCodeParts + maxDependencyParts;

/** A part is uploaded in one request. */
export const partBytes = 8 * 1024 * 1024;
