import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { countReports, listFailures, reportFailure } from "./testReport.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fairlead-reports-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const report = (name: string, body: object): void =>
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(body));

test("the totals add up the reports of all suites", () => {
  const passed = { status: "passed", name: "a", message: "", assertionResults: [] };
  report("unit", { numPassedTests: 20, numFailedTests: 0, testResults: [passed] });
  const failed = { status: "failed", name: "b", message: "", assertionResults: [{ status: "failed" }] };
  report("e2e", { numPassedTests: 3, numFailedTests: 2, testResults: [failed] });
  expect(countReports(folder)).toEqual({ passed: 23, failed: 2 });
});

test("failures are listed with their reason, up to a bound", () => {
  const failed = { status: "failed", fullName: "adds up", failureMessages: ["Error: 3 is not 4\n    at a"] };
  const results = [
    { status: "failed", name: "a.test.ts", message: "", assertionResults: [failed, { status: "passed" }] },
    { status: "failed", name: "b.test.ts", message: "Cannot find module", assertionResults: [] },
  ];
  report("unit", { numPassedTests: 1, numFailedTests: 1, testResults: results });
  reportFailure("cluster", "did not start", folder);
  expect(listFailures(folder)).toEqual([
    "cluster cluster\n    did not start",
    "unit a.test.ts > adds up\n    Error: 3 is not 4\n        at a",
    "unit b.test.ts\n    Cannot find module",
  ]);
  const many = Array.from({ length: 30 }, () => failed);
  report("unit", {
    numPassedTests: 0,
    numFailedTests: 30,
    testResults: [{ ...results[0], assertionResults: many }],
  });
  expect(listFailures(folder).at(-1)).toBe("… and 11 more");
});

test("a test file that could not be loaded is a failure", () => {
  const broken = { status: "failed", name: "a", message: "Cannot find module", assertionResults: [] };
  report("unit", { numPassedTests: 1, numFailedTests: 0, testResults: [broken] });
  expect(countReports(folder)).toEqual({ passed: 1, failed: 1 });
});

test("a failed step, a broken report and no report at all are failures", () => {
  reportFailure("cluster", "did not start", folder);
  expect(countReports(folder)).toEqual({ passed: 0, failed: 1 });
  writeFileSync(join(folder, "unit.json"), "{");
  expect(countReports(folder)).toEqual({ passed: 0, failed: 2 });
  expect(countReports(join(folder, "absent"))).toEqual({ passed: 0, failed: 1 });
});
