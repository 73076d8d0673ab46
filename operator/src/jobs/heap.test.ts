import { expect, test } from "vitest";
import { isHeapFull, withHeapOption } from "./heap.ts";

/** The ends of real logs, and of those in V8's source. */
const full = [
  "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
  "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory",
  "FATAL ERROR: CALL_AND_RETRY_LAST Allocation failed - JavaScript heap out of memory",
  "FATAL ERROR: Committing semi space failed. Allocation failed - JavaScript heap out of memory",
  "FATAL ERROR: Zone Allocation failed - process out of memory",
  "#\n# Fatal process out of memory: Oilpan: Large allocation\n#",
  "#\n# Fatal JavaScript out of memory: Reached heap limit\n#",
  "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
];
const other = [
  "",
  "Segmentation fault",
  "FATAL ERROR: v8::ToLocalChecked Empty MaybeLocal",
  "the disk is out of memory, says FATAL",
  "Error: JavaScript heap out of memory",
];
const around = (line: string): string =>
  `<--- Last few GCs --->\n[1:0x1] 100 ms: Mark-Compact\n${line}\n----- Native stack trace -----\n 1: 0xe1 node`;

test.each([132, 133, 134, 139])("exit code %i with the line of a full heap is out of memory", (exitCode) => {
  for (const line of full) expect([line, isHeapFull(exitCode, around(line))]).toEqual([line, true]);
  for (const line of other) expect([line, isHeapFull(exitCode, around(line))]).toEqual([line, false]);
});

test.each([undefined, 0, 1, 137, 143])("exit code %s is not, whatever the log says", (exitCode) => {
  for (const line of full) expect(isHeapFull(exitCode, around(line))).toBe(false);
});

test.each([
  ["--enable-source-maps", "--max-old-space-size-percentage=75 --enable-source-maps"],
  ["--max-old-space-size=100", "--max-old-space-size=100"],
  ["--max_old_space_size=100 --import=/x.mjs", "--max_old_space_size=100 --import=/x.mjs"],
  ["--max-heap-size=64", "--max-heap-size=64"],
  ["--max-old-space-size-percentage=50", "--max-old-space-size-percentage=50"],
])("NODE_OPTIONS %j becomes %j", (given, expected) => {
  const others = [{ name: "A", value: "--x" }, { name: "B" }];
  expect(withHeapOption([{ name: "NODE_OPTIONS", value: given }, ...others])).toEqual([
    { name: "NODE_OPTIONS", value: expected },
    ...others,
  ]);
});

test("NODE_OPTIONS of which the value is not here stay as they are", () => {
  const secret = { name: "NODE_OPTIONS", valueFrom: { secretKeyRef: { name: "s", key: "k" } } };
  expect(withHeapOption([secret])).toEqual([secret]);
});
