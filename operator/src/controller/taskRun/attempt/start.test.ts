import { expect, test } from "vitest";
import { isTold } from "./start.ts";

const nodes = (all: number, cpu: number): string =>
  `0/${all} nodes are available: ${cpu} Insufficient cpu. preemption: 0/${all} nodes are available.`;

test.each<[title: string, told: [string, string], now: [string, string], isSame: boolean]>([
  ["a number of nodes", ["Unschedulable", nodes(3, 2)], ["Unschedulable", nodes(14, 11)], true],
  [
    "what nodes lack",
    ["Unschedulable", nodes(3, 2)],
    ["Unschedulable", "0/3 nodes are available: 3 Insufficient memory."],
    false,
  ],
  ["the backoff of a failed pull", ["ErrImagePull", "not found"], ["ImagePullBackOff", "Back-off"], true],
  ["the cause of a backoff", ["ImagePullBackOff", "Back-off"], ["ErrImagePull", "not found"], false],
  ["a reason", ["Admitted", "x"], ["Unschedulable", "x"], false],
  ["a long message", ["FailedMount", `${"x".repeat(1021)}...`], ["FailedMount", "x".repeat(3000)], true],
])("a change of %s is written to the status unless it says nothing new", (_title, told, now, isSame) => {
  const status = { reason: told[0], message: told[1] };
  expect(isTold(status, { reason: now[0], message: now[1] })).toBe(isSame);
});
