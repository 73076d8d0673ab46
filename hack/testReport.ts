/**
 * The count of a test run, from the suites' JSON reports in .fairlead/reports. Run by itself (`testReport.ts
 * [EXIT_CODE]`, that of the whole run) it prints `N passed, N failed` and exits 1 when anything failed. A
 * test file that could not be loaded counts as one failed test.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

export const reportFolder = join(import.meta.dirname, "..", ".fairlead", "reports");

export interface Count {
  passed: number;
  failed: number;
}

/** The part of vitest's JSON report that is read here. */
export interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { status: string; fullName?: string; failureMessages?: string[] | null }[];
  }[];
}

const mostFailures = 20;
const mostLines = 12;

function countReport(report: Report): Count {
  const broken = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length };
}

export function countReports(folder: string = reportFolder): Count {
  const total: Count = { passed: 0, failed: 0 };
  const names = reportNames(folder);
  for (const name of names) {
    const count = countFile(join(folder, name));
    total.passed += count.passed;
    total.failed += count.failed;
  }
  // Without a report nothing ran, which is a failure too.
  return names.length === 0 ? { passed: 0, failed: 1 } : total;
}

/** The count of one report; a missing or broken one is a failure. */
export function countFile(path: string): Count {
  try {
    return countReport(JSON.parse(readFileSync(path, "utf8")) as Report);
  } catch {
    return { passed: 0, failed: 1 };
  }
}

/** Writes a report of one failure that no test reports: of a step, or of a suite's process. */
export function reportFailure(name: string, message: string, folder: string = reportFolder): void {
  const report: Report = {
    numPassedTests: 0,
    numFailedTests: 0,
    testResults: [{ name, status: "failed", message, assertionResults: [] }],
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(report));
}

/** What failed and why, for the end of the output, which is the part of a long one that is read or kept. */
export function listFailures(folder: string = reportFolder): string[] {
  const failures = reportNames(folder).flatMap((name) => failuresIn(join(folder, name)));
  const more = failures.length - mostFailures;
  return [...failures.slice(0, mostFailures), ...(more > 0 ? [`… and ${more} more`] : [])];
}

function failuresIn(path: string): string[] {
  const suite = basename(path, ".json");
  let report: Report;
  try {
    report = JSON.parse(readFileSync(path, "utf8")) as Report;
  } catch (error) {
    return [`${suite}: its report cannot be read: ${(error as Error).message}`];
  }
  return report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((one) => one.status === "failed");
    if (failed.length === 0) return status === "failed" ? [excerpt(`${suite} ${name}`, message)] : [];
    return failed.map((one) =>
      excerpt(`${suite} ${name} > ${one.fullName}`, one.failureMessages?.join("\n") ?? ""),
    );
  });
}

const excerpt = (title: string, message: string): string =>
  [title, ...message.split("\n").slice(0, mostLines)].join("\n    ");

function reportNames(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
}

export function formatCount(count: Count): string {
  return `${count.passed} passed, ${count.failed} failed`;
}

if (import.meta.main) {
  const count = countReports();
  // An interrupted run failed, whatever its reports say.
  if (process.argv[2] !== undefined && process.argv[2] !== "0" && count.failed === 0) count.failed = 1;
  console.log(formatCount(count));
  process.exitCode = count.failed > 0 ? 1 : 0;
}
