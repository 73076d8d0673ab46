/**
 * What a key of the bucket must be. A namespace is a wall: a key that came from a resource or a report names
 * only what lies in the folder of its own namespace. Stores that keep objects as files, and proxies, fold
 * `.` and `..`: no key has them.
 */

/** Bytes; S3's own limit, and that of a file's name, which a part becomes in a store of files. */
const [maxKeyBytes, maxPartBytes] = [1024, 255];

/** A key that no object may have, or none of this namespace; it came from outside, or is our mistake. */
export class BadKeyError extends Error {
  override readonly name = "BadKeyError";

  constructor(key: string, problem: string) {
    super(`key ${JSON.stringify(key.slice(0, 200))} ${problem}`);
  }
}

/** Why this can be no key; undefined when it can. */
export function objectKeyProblem(key: string): string | undefined {
  if (Buffer.byteLength(key) > maxKeyBytes) return `has more than ${maxKeyBytes} bytes`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (/[\u0000-\u001f\u007f\\]/.test(key)) return "has a control character or a backslash";
  if (!key.isWellFormed()) return "is no valid Unicode";
  const parts = key.split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".."))
    return 'has an empty part, or a part "." or ".."';
  if (parts.some((part) => Buffer.byteLength(part) > maxPartBytes))
    return `has a part of more than ${maxPartBytes} bytes between slashes`;
  return undefined;
}

/** The same for a key of this folder, which ends with a slash. */
export function keyProblemIn(folder: string, key: string): string | undefined {
  if (!key.startsWith(folder)) return `is not of this namespace: it must begin with ${folder}`;
  return objectKeyProblem(key);
}

/** The same for a key that belongs to an object of this namespace. */
export const ownKeyProblem = (namespace: string, key: string): string | undefined =>
  keyProblemIn(`ns/${namespace}/`, key);

/** The reference, if its key may be read for an object of this namespace. */
export const ownRef = <T extends { key: string }>(namespace: string, ref: T | undefined): T | undefined =>
  ref && ownKeyProblem(namespace, ref.key) === undefined ? ref : undefined;
