import type { Report } from "@fairlead/protocol/report";
import { expect, test } from "vitest";
import { endOfReport } from "../model/run/report.ts";
import { storeReportOutput } from "./reportOutput.ts";

const run = { namespace: "ns", name: "run", uid: "uid" };
const storeWith = <P>(put: P) => ({ of: () => ({ put }) });
const away = storeWith(() => Promise.reject(new Error("the bucket does not answer")));

const reportWith = (data: string, type: string): Report => ({
  v: 1,
  attempt: 1,
  podUid: "pod",
  startedAt: "2026-01-01T00:00:00Z",
  finishedAt: "2026-01-01T00:00:01Z",
  outcome: "completed",
  output: { type, size: data.length, data },
});

test.each([
  ["an object", '{"n":3544790567247868102}'],
  ["null", "null"],
  ["false", "false"],
])(
  "a run whose output is %s settles while the bucket is away, with its output in the status",
  async (_what, data) => {
    const end = endOfReport(await storeReportOutput(away, run, reportWith(data, "application/json")));
    expect(end.outcome).toBe("Completed");
    expect(JSON.stringify(end.output)).toBe(data);
    expect(end.outputRef).toBeUndefined();
  },
);

test.each([
  [
    "with types that JSON does not have",
    '{"json":{"at":"1970"},"meta":{"values":{"at":["Date"]}}}',
    "application/super+json",
  ],
  ["that is no JSON", "text", "text/plain"],
])("a run whose output is one %s waits for the bucket", async (_what, data, type) => {
  await expect(storeReportOutput(away, run, reportWith(data, type))).rejects.toThrow("does not answer");
});

test("an output in a report is stored under the key of its attempt", async () => {
  const puts: string[] = [];
  const store = storeWith(async (key: string) => void puts.push(key));
  const stored = await storeReportOutput(store, run, reportWith("1", "application/json"));
  expect(puts).toEqual([stored.output?.key]);
});

test.each([
  "ns/team-b/history/runs/nightly/u.json.gz",
  "ns/ns/runs/other.uid/payload",
  "ns/ns/runs/run.uid/attempts/1.pod/../../payload",
  "",
])("a report that says its output is %j gets the key of its own attempt", async (key) => {
  const report = reportWith("1", "application/json");
  const store = storeWith(() => Promise.reject(new Error("nothing is to be stored")));
  const output = { type: "application/json", size: 600_000, key };
  const stored = await storeReportOutput(store, run, { ...report, output }, "observed");
  expect(endOfReport(stored).outputRef?.key).toBe("ns/ns/runs/run.uid/attempts/1.observed/output");
});
