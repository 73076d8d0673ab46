import { expect, it } from "vitest";
import { nearest } from "./nearest.ts";

const known = ["delay", "ttl", "queue", "idempotencyKey", "idempotencyKeyTTL", "emails"];
it.each([
  ["delya", "delay"],
  ["Delay", "delay"],
  ["idempotencyKeyTtl", "idempotencyKeyTTL"],
  ["idempotenceKey", "idempotencyKey"],
  ["emial", undefined],
  ["email", "emails"],
  ["emials", "emails"],
  ["region", undefined],
  ["x", undefined],
  ["", undefined],
  ["q".repeat(1000), undefined],
])("%s may mean %s", (word, meant) => expect(nearest(word, known)).toBe(meant));
