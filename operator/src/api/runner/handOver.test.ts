import { expect, test } from "vitest";
import type { TaskRun, TaskRunStatus } from "../../model/resources.ts";
import { summarize } from "../../runs/payloadText.ts";
import { Problem } from "../http/problem.ts";
import { handOver } from "./handOver.ts";

const text = '{"a":1}';
const digest = summarize(text).sha256;

async function given(spec: object, status: TaskRunStatus = {}) {
  const signed: string[] = [];
  const store = { of: () => ({ presignGet: async (key: string) => `signed ${signed.push(key)}` }) };
  const run = { metadata: { namespace: "team-a", name: "r", uid: "u" }, spec, status } as TaskRun;
  const answer = await handOver(store, run).catch((error: unknown) => error);
  return { answer, signed };
}

test("a payload of the resource is handed over as its text, one of the bucket as a URL", async () => {
  const payloadDigest = digest;
  const type = "application/json";
  expect((await given({ payload: { a: 1 } }, { payloadDigest })).answer).toMatchObject({
    payload: { type, text },
  });
  expect((await given({ payloadData: text, payloadType: "x/y" }, { payloadDigest })).answer).toMatchObject({
    payload: { type: "x/y", text },
  });
  const key = "ns/team-a/payloads/p";
  const { answer, signed } = await given({ payloadRef: { key } });
  expect(answer).toMatchObject({ payload: { type, url: "signed 1" } });
  expect(signed).toEqual([key]);
});

test("a run without a payload gets none, and what its tenant wrote beside it", async () => {
  const written = { tags: ["t"], metadata: { a: 1 }, idempotencyKey: "k" };
  expect((await given(written)).answer).toEqual({ run: written, payload: undefined });
});

test.each<[title: string, spec: object, status: TaskRunStatus]>([
  ["edited", { payload: { a: 2 } }, { payloadDigest: digest }],
  ["added", { payload: { a: 1 } }, {}],
  ["removed", {}, { payloadDigest: digest }],
  ["replaced by an object of the bucket", { payloadRef: { key: "ns/team-a/p" } }, { payloadDigest: digest }],
  ["another namespace's", { payloadRef: { key: "ns/team-b/p" } }, {}],
  ["a path out of the namespace", { payloadRef: { key: "ns/team-a/../team-b/p" } }, {}],
])("a payload that is %s is refused for good, and no URL is signed", async (_title, spec, status) => {
  const { answer, signed } = await given(spec, status);
  expect(answer).toBeInstanceOf(Problem);
  expect(answer).toMatchObject({ status: 422 });
  expect(signed).toEqual([]);
});
