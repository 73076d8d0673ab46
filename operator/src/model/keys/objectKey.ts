/**
 * What a key of the bucket must be. A namespace is a wall: a key that came from a resource or a report names
 * only what lies in the folder of its own namespace. Stores that keep objects as files, and proxies, fold
 * `.` and `..`: no key has them.
 */

/** Bytes; S3's own limit. */
const maxKeyBytes = 1024;

/** Why this can be no key; undefined when it can. */
export function objectKeyProblem(key: string): string | undefined {
  if (Buffer.byteLength(key) > maxKeyBytes) return `has more than ${maxKeyBytes} bytes`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (/[\u0000-\u001f\u007f\\]/.test(key)) return "has a control character or a backslash";
  if (!key.isWellFormed()) return "is no valid Unicode";
  if (key.split("/").some((part) => part === "" || part === "." || part === ".."))
    return 'has an empty part, or a part "." or ".."';
  return undefined;
}

/** The same for a key that belongs to an object of this namespace. */
export function ownKeyProblem(namespace: string, key: string): string | undefined {
  const folder = `ns/${namespace}/`;
  if (!key.startsWith(folder)) return `is not of this namespace: it must begin with ${folder}`;
  return objectKeyProblem(key);
}

/** The reference, if its key may be read for an object of this namespace. */
export const ownRef = <T extends { key: string }>(namespace: string, ref: T | undefined): T | undefined =>
  ref && ownKeyProblem(namespace, ref.key) === undefined ? ref : undefined;
