/** A result is settled once: what its container, or whoever has its URL, uploads later changes nothing. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readResult } from "../../../operator/src/controller/taskRun/attempt/result.ts";
import type { ContainerEnd } from "../../../operator/src/jobs/podObserver.ts";
import { Namespaces } from "../../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import type { Attempt } from "../../../operator/src/model/resources.ts";
import { type AttemptPod, createServiceAccount, podToken, startAttempt } from "../../support/attemptPod.ts";
import { ApiReplica } from "../../support/servers/apiReplica.ts";

const namespace = "team-a";
let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  await api.client.create(Namespaces, undefined, { metadata: { name: namespace } });
  await createServiceAccount(api.client, namespace);
});
afterAll(() => api?.stop());

const call = async (of: AttemptPod, path: string, body: object) =>
  fetch(`${api.url}/engine/v1/attempt${path}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await podToken(api.client, of.pod)}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
const urlFor = async (of: AttemptPod, text: string, more: object = {}) => {
  const answer = await call(of, "/output", { size: text.length, type: "text/plain", ...more });
  return (await answer.json()) as { url: string; key: string; headers: Record<string, string> };
};
const put = async (url: string, body: string, headers: Record<string, string> = {}) =>
  (await fetch(url, { method: "PUT", body, headers: { "content-type": "text/plain", ...headers } })).status;
const report = ({ pod }: AttemptPod, output: object) => ({
  ...{ v: 1, attempt: 1, podUid: pod.metadata?.uid, outcome: "completed", output },
  startedAt: new Date().toISOString(),
  finishedAt: new Date().toISOString(),
});
const resultOf = async (name: string): Promise<string> => {
  const run = await api.client.get(TaskRuns, namespace, name);
  const object = await api.store.of(namespace).get(run?.status?.outputRef?.key ?? "", { maxBytes: 99 });
  return Buffer.from(object?.body ?? []).toString();
};
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

test("what is uploaded after the settlement, with a URL from before it, changes no result", async () => {
  const of = await startAttempt(api.client, namespace, "task");
  const { url, key } = await urlFor(of, "RESULT");
  const second = await urlFor(of, "SECOND");
  expect(await put(url, "RESULT")).toBe(200);
  const done = report(of, { type: "text/plain", size: 6, key });
  expect((await call(of, "/report", done)).status).toBe(204);
  expect(await resultOf("task")).toBe("RESULT");
  for (const late of [url, second.url]) expect(await put(late, "BROKEN")).toBe(200);
  expect((await call(of, "/report", done)).status).not.toBe(204);
  expect(await resultOf("task")).toBe("RESULT");
});

test("reports at the same moment settle one result, and uploads between them do not change it", async () => {
  const of = await startAttempt(api.client, namespace, "twice");
  const { url, key } = await urlFor(of, "AAAAAA");
  await put(url, "AAAAAA");
  const done = report(of, { type: "text/plain", size: 6, key });
  const answers = Array.from({ length: 6 }, async (_, n) => {
    if (n % 2) return put(url, "BBBBBB");
    return (await call(of, "/report", done)).status;
  });
  await Promise.all(answers);
  const settled = await resultOf("twice");
  expect(["AAAAAA", "BBBBBB"]).toContain(settled);
  await put(url, "CCCCCC");
  expect(await resultOf("twice")).toBe(settled);
});

test("a URL takes as many bytes as were asked for, and with a hash that content alone", async () => {
  const of = await startAttempt(api.client, namespace, "bounded");
  const { url } = await urlFor(of, "RESULT");
  for (const body of ["RESULTS", "R", "x".repeat(1_000_000)]) expect(await put(url, body)).toBe(403);
  const sum = await urlFor(of, "RESULT", { sha256: sha256("RESULT") });
  expect(await put(sum.url, "RESULT")).toBe(403);
  expect(await put(sum.url, "BROKEN", sum.headers)).toBe(400);
  expect(await put(sum.url, "RESULT", sum.headers)).toBe(200);
});

test.each([
  ["nothing was uploaded", undefined, { size: 6 }, "nothing was uploaded"],
  ["another size was uploaded", "RESULT", { size: 7 }, "6 bytes were uploaded, not 7"],
  ["another hash was uploaded", "RESULT", { size: 6, sha256: sha256("OTHER!") }, "SHA-256"],
])("a report is refused when %s, and the run goes on", async (title, body, said, message) => {
  const name = title.replaceAll(" ", "-");
  const of = await startAttempt(api.client, namespace, name);
  const { url, key, headers } = await urlFor(of, "RESULT", { sha256: sha256("RESULT") });
  if (body) expect(await put(url, body, headers)).toBe(200);
  const answer = await call(of, "/report", report(of, { type: "text/plain", key, ...said }));
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(message)]);
  expect((await api.client.get(TaskRuns, namespace, name))?.status?.phase).toBe("Starting");
});

test("a container's output is what was there when it ended, for the path of the termination message too", async () => {
  const { run, pod } = await startAttempt(api.client, namespace, "image");
  const { uid = "" } = pod.metadata ?? {};
  const attempt = { number: 1, job: "j", slot: 1, admittedAt: "" } as Attempt;
  const end = {
    exitCode: 0,
    terminationMessage: "",
    startedAt: "",
    finishedAt: "",
  } as unknown as ContainerEnd;
  const store = api.store.of(namespace);
  const folder = `ns/${namespace}/runs/image.${run.metadata.uid}/attempts`;
  const text = { type: "text/plain" };
  const read = async (key = ""): Promise<string> =>
    Buffer.from((await store.get(key, { maxBytes: 99 }))?.body ?? []).toString();

  await store.put(`${folder}/1.container/output`, "RESULT", text);
  const container = await readResult(api.store, { run, attempt, program: { kind: "container" } }, end, uid);
  await store.put(`${folder}/1.container/output`, "BROKEN", text);
  expect([container.outcome, container.output, await read(container.outputRef?.key)]).toEqual([
    ...["Completed", "RESULT", "RESULT"],
  ]);

  await store.put(`${folder}/1.${uid}/output`, "x".repeat(6), text);
  const told = report({ run, pod } as AttemptPod, { type: "text/plain", size: 6, key: "ns/team-b/secret" });
  const message = { ...end, terminationMessage: JSON.stringify(told) };
  const task = await readResult(api.store, { run, attempt, program: { kind: "task" } }, message, uid);
  await store.put(`${folder}/1.${uid}/output`, "BROKEN", text);
  expect([task.outcome, await read(task.outputRef?.key)]).toEqual(["Completed", "xxxxxx"]);

  const lie = { ...message, terminationMessage: message.terminationMessage.replace('"size":6', '"size":9') };
  const refused = await readResult(api.store, { run, attempt, program: { kind: "task" } }, lie, uid);
  expect(refused).toMatchObject({ outcome: "Failed", reason: "OutputRefused", retryable: false });
});
