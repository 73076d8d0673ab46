/** Names of resources: random ones, and those made from a user's id. */
import { createHash, randomBytes } from "node:crypto";

const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";

/** 25 lower-case letters and digits, a letter first: 2^125 of them. */
export function newName(): string {
  let name = "";
  for (const byte of randomBytes(64)) {
    // 252 = 7 * 36: above it the remainder would favour the first letters.
    if (byte >= 252) continue;
    const letter = alphabet[byte % (name === "" ? 26 : 36)];
    name += letter;
    if (name.length === 25) return name;
  }
  return newName();
}

/** A resource name for an id that may hold what a resource name may not (`helloWorld`, `emails/eu`). */
export function slug(id: string): string {
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(id) && id.length <= 63) return id;
  const readable = id
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 50)
    .replace(/-+$/, "");
  const hash = createHash("sha256").update(id).digest("hex").slice(0, 10);
  return readable === "" ? `x-${hash}` : `${readable}-${hash}`;
}
