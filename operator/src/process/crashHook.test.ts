import { expect, test } from "vitest";
import { crashHook } from "./crashHook.ts";

function writesUntilCrash(setting: string): string[] {
  const log: string[] = [];
  const hook = crashHook(setting, () => {
    throw new Error("dead");
  });
  try {
    for (let n = 1; n <= 5; n++) {
      hook?.("before", `write ${n}`);
      log.push(`write ${n}`);
      hook?.("after", `write ${n}`);
    }
  } catch {
    log.push("dead");
  }
  return log;
}

test("the hook crashes before or after the n-th write, and without a setting never", () => {
  expect(writesUntilCrash("2:before")).toEqual(["write 1", "dead"]);
  expect(writesUntilCrash("2:after")).toEqual(["write 1", "write 2", "dead"]);
  expect(writesUntilCrash("9:after")).toHaveLength(5);
  expect(crashHook(undefined)).toBeUndefined();
});

test.each(["0:after", "2", "2:during", "x"])("the setting %s is refused", (setting) => {
  expect(() => crashHook(setting)).toThrow("FAIRLEAD_CRASH_AT_WRITE");
});
