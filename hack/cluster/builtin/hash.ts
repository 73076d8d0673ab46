import { createHash } from "node:crypto";

/** A short hash of a list of texts; their borders count. */
export function hash(...texts: string[]): string {
  const sum = createHash("sha256");
  for (const text of texts) sum.update(`${Buffer.byteLength(text)}:${text}`);
  return sum.digest("hex").slice(0, 16);
}
