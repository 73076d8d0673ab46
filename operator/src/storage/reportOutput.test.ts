import { createHash } from "node:crypto";
import type { Report, ReportedOutput } from "@fairlead/protocol/report";
import { expect, test } from "vitest";
import { endOfReport } from "../model/run/report.ts";
import { ObjectStore } from "./objectStore.ts";
import { storeReportOutput, UploadDiffers } from "./reportOutput.ts";
import { type TestStore, testStore } from "./testStore.ts";

const sha = (text: string): string => createHash("sha256").update(text).digest("hex");

const run = { namespace: "ns", name: "run", uid: "uid" };
const noAnswer = () => Promise.reject(new Error("the bucket does not answer"));
const away = { of: () => ({ put: noAnswer, head: noAnswer, copy: noAnswer }) };

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

const upload = "ns/ns/runs/run.uid/attempts/1.pod/output";
const uploaded = (over: Partial<ReportedOutput> = {}): Report => ({
  ...reportWith("", "text/plain"),
  output: { type: "text/plain", size: 5, key: upload, ...over },
});
const text = { type: "text/plain" };
const read = async (store: TestStore, key: string | undefined) =>
  Buffer.from((await store.get(key ?? "", { maxBytes: 99 }))?.body ?? []).toString();

test("an output in a report becomes an object that no URL was given for", async () => {
  const store = testStore(() => 0);
  const stored = await storeReportOutput(store, run, reportWith("1", "application/json"));
  expect(store.keys()).toEqual([stored.output?.key]);
  expect(stored.output?.key).toMatch(/^ns\/ns\/runs\/run\.uid\/attempts\/1\.pod\/output\.[a-z0-9]{25}$/);
});

test("an upload is copied when it settles: what is uploaded later changes no result", async () => {
  const store = testStore(() => 0);
  await store.put(upload, "first", text);
  const first = await storeReportOutput(store, run, uploaded());
  await store.put(upload, "later", text);
  expect(await read(store, first.output?.key)).toBe("first");
  // A second report, on its way at the same time, has an object of its own.
  const second = await storeReportOutput(store, run, uploaded());
  expect(second.output?.key).not.toBe(first.output?.key);
  expect(await read(store, first.output?.key)).toBe("first");
});

test("an upload that is replaced while it is copied is copied whole, as it is then", async () => {
  const bucket = testStore(() => 0);
  await bucket.put(upload, "first", text);
  let replaced = false;
  const store = new ObjectStore({
    ...bucket,
    head: async (key) => {
      const found = await bucket.head(key);
      if (!replaced) await bucket.put(upload, "newer", text);
      replaced = true;
      return found;
    },
  });
  const { output } = await storeReportOutput(store, run, uploaded());
  expect(await read(bucket, output?.key)).toBe("newer");
});

test.each([
  ["of another size", uploaded({ size: 4 }), "5 bytes were uploaded, not 4"],
  ["that is replaced again and again", uploaded(), "again and again"],
])("an upload %s is not taken", async (what, report, message) => {
  const bucket = testStore(() => 0);
  await bucket.put(upload, "12345", text);
  const copy = async () => false;
  const store = new ObjectStore(what.includes("again") ? { ...bucket, copy } : bucket);
  await expect(storeReportOutput(store, run, report)).rejects.toThrow(message);
  expect(bucket.keys()).toEqual([upload]);
});

test("of an upload with another hash than was said nothing is taken", async () => {
  const bucket = testStore(() => 0);
  await bucket.put(upload, "12345", text);
  const head = async (key: string) => {
    const found = await bucket.head(key);
    return found && { ...found, sha256: "a".repeat(64) };
  };
  const store = new ObjectStore({ ...bucket, head });
  await expect(storeReportOutput(store, run, uploaded({ sha256: "b".repeat(64) }))).rejects.toThrow(
    UploadDiffers,
  );
  const same = await storeReportOutput(store, run, uploaded({ sha256: "A".repeat(64) }));
  expect(same.output?.key).toContain(upload);
});

test("a copy in the report counts only when size and hash are its own; else the upload does", async () => {
  const store = testStore(() => 0);
  await store.put(upload, "12345", text);
  const stored = await storeReportOutput(store, run, uploaded({ data: "1?345", sha256: sha("12345") }));
  expect(await read(store, stored.output?.key)).toBe("12345");
  const alone = { ...uploaded({ data: "1?345", sha256: sha("12345"), size: 3 }) };
  if (alone.output) delete alone.output.key;
  expect((await storeReportOutput(store, run, alone)).output).toMatchObject({ size: 5, sha256: undefined });
});

test("nothing was uploaded: the report has no key", async () => {
  const stored = await storeReportOutput(
    testStore(() => 0),
    run,
    uploaded(),
  );
  expect(stored.output?.key).toBeUndefined();
});

test.each([
  "ns/team-b/history/runs/nightly/u.json.gz",
  "ns/ns/runs/other.uid/payload",
  "ns/ns/runs/run.uid/attempts/1.pod/../../payload",
  "",
])("a report that says its output is %j gets what its own attempt uploaded", async (key) => {
  const store = testStore(() => 0);
  await store.put("ns/ns/runs/run.uid/attempts/1.observed/output", "own", text);
  await store.put("ns/team-b/history/runs/nightly/u.json.gz", "foreign", text);
  const stored = await storeReportOutput(store, run, uploaded({ key, size: 3 }), "observed");
  const { outputRef } = endOfReport(stored);
  expect(outputRef?.key).toMatch(/^ns\/ns\/runs\/run\.uid\/attempts\/1\.observed\/output\./);
  expect(await read(store, outputRef?.key)).toBe("own");
});
