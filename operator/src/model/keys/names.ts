/**
 * Names that are derived from what a client sent, so that creating the same thing twice is AlreadyExists: the
 * API server decides which of two callers was first. A derived name is a letter and 24 lower-case letters and
 * digits.
 */
import { createHash } from "node:crypto";
import { maxKeyGenerations } from "@fairlead/protocol/limits";

/** Parts are kept apart by their lengths: no two lists of parts give the same text. */
export function digest(...parts: string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("hex");
}

export const nameOfDigest = (letter: string, hash: string): string =>
  letter + BigInt(`0x${hash}`).toString(36).padStart(50, "0").slice(-24);

/** The name of what one request of a client creates; also of batches and schedules that a key identifies. */
export const requestName = (...parts: string[]): string =>
  nameOfDigest("r", createHash("sha256").update(JSON.stringify(parts)).digest("hex"));

export interface Generation {
  generation: number;
  name: string;
}

/**
 * The names of a key's generations, in order. The caller looks at each in turn and stops at the first that is
 * free or held; when there are no more, the key is used up.
 */
export function* generationsFrom(
  first: number,
  nameOf: (generation: number) => string,
): Generator<Generation, void> {
  for (let generation = first; generation < first + maxKeyGenerations; generation++) {
    yield { generation, name: nameOf(generation) };
  }
}
