/**
 * A hostile neighbour at the calls of an attempt's pod: with pods, Jobs and tokens of its own, real ones, and
 * with what it has seen of others. No run but its own changes or is read.
 */
import { randomUUID } from "node:crypto";
import type { V1Pod } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Jobs, Namespaces, Pods } from "../../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import {
  type AttemptPod,
  createPod,
  createServiceAccount,
  ownedBy,
  podToken,
  setStatus,
  startAttempt,
} from "../../support/attemptPod.ts";
import { ApiReplica, key } from "../../support/servers/apiReplica.ts";

const mine = "team-a";
const theirs = "team-b";
let api: ApiReplica;
let own: AttemptPod;
let victim: AttemptPod;
beforeAll(async () => {
  api = await ApiReplica.start();
  for (const name of [mine, theirs]) {
    await api.client.create(Namespaces, undefined, { metadata: { name } });
    await createServiceAccount(api.client, name);
  }
  own = await startAttempt(api.client, mine, "own");
  victim = await startAttempt(api.client, theirs, "victim", { payload: { secret: 42 } });
});
afterAll(() => api?.stop());

const call = (method: string, path: string, bearer: string, body?: object) =>
  fetch(`${api.url}/engine/v1/attempt${path}`, {
    method,
    redirect: "manual",
    headers: { authorization: `Bearer ${bearer}`, ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
const startBody = () => ({ startedAt: new Date().toISOString() });
const started = async (bearer: string, body: object = startBody()) => {
  const answer = await call("POST", "/start", bearer, body);
  return {
    status: answer.status,
    body: (await answer.json()) as { token: string; error?: string; payload?: unknown },
  };
};
const load = async ({ run: { metadata } }: AttemptPod) => {
  const run = await api.client.get(TaskRuns, metadata.namespace, metadata.name);
  return run?.status;
};
const podUid = ({ pod }: AttemptPod): string => pod.metadata?.uid ?? "";
const report = (of: AttemptPod, over: object = {}) => ({
  ...{ v: 1, attempt: 1, podUid: podUid(of), outcome: "completed" },
  output: { type: "application/json", size: 8, data: '{"n": 1}' },
  startedAt: new Date().toISOString(),
  finishedAt: new Date().toISOString(),
  ...over,
});

/** Every call there is, and what none of them may answer. */
const calls: [method: string, path: string, body?: () => object][] = [
  ["POST", "/start", startBody],
  ["POST", "/token", () => ({})],
  ["GET", ""],
  ["POST", "/output", () => ({ size: 1, type: "text/plain" })],
  ["POST", "/report", () => report(victim)],
  ["GET", "/payload"],
  ["GET", "/output"],
  ["PUT", "/output"],
];

describe.each<[title: string, bearer: () => Promise<string> | string]>([
  [
    "a pod's token for the Kubernetes API",
    () => podToken(api.client, victim.pod, { audience: "https://test" }),
  ],
  ["a pod's token for another service", () => podToken(api.client, victim.pod, { audience: "vault" })],
  [
    "a service account's token that is no pod's",
    () => podToken(api.client, undefined, { namespace: theirs }),
  ],
  [
    "a pod's token with another signature",
    async () => `${(await podToken(api.client, victim.pod)).slice(0, -8)}AAAAAAAA`,
  ],
  [
    "the token of a pod that is no Job's",
    async () => podToken(api.client, await createPod(api.client, mine, `bare-${randomUUID()}`)),
  ],
  [
    "the token of a pod that calls itself the victim's Job's, from another namespace",
    async () => {
      const ownerReferences = victim.pod.metadata?.ownerReferences;
      const { labels } = victim.pod.metadata ?? {};
      return podToken(
        api.client,
        await createPod(api.client, mine, `liar-${randomUUID()}`, { labels, ownerReferences }),
      );
    },
  ],
  [
    "the token of a pod of a Job that calls itself the victim's, from another namespace",
    async () => {
      const name = `liar-${randomUUID()}`;
      const template = { spec: { restartPolicy: "Never", containers: [{ name: "main", image: "x" }] } };
      const metadata = { name, ownerReferences: ownedBy("TaskRun", victim.run.metadata) };
      const job = await api.client.create(Jobs, mine, { metadata, spec: { suspend: true, template } });
      const ownerReferences = ownedBy("Job", job.metadata ?? {});
      return podToken(api.client, await createPod(api.client, mine, name, { ownerReferences }));
    },
  ],
  ["a secret key", () => key],
  ["a text that is no token", () => "x".repeat(10_000)],
])("%s", (_title, bearer) => {
  test("is refused by every call of a pod, and nothing changes", async () => {
    const before = [await load(own), await load(victim)];
    const token = await bearer();
    for (const [method, path, body] of calls) {
      const answer = await call(method, path, token, body?.());
      expect([401, 403], `${method} ${path}: ${answer.status}`).toContain(answer.status);
      expect(await answer.text()).not.toContain("42");
    }
    expect([await load(own), await load(victim)]).toEqual(before);
  });
});

test("a pod is given its own attempt's payload and token, and only Kubernetes says which pod it is", async () => {
  const of = await startAttempt(api.client, mine, "honest", { payload: { a: 1 }, tags: ["t"] });
  const lie = { ...startBody(), podUid: randomUUID() };
  const answer = await started(await podToken(api.client, of.pod), lie);
  expect(answer).toMatchObject({ status: 200, body: { payload: { text: '{"a":1}' }, run: { tags: ["t"] } } });
  await expect.poll(() => load(of)).toMatchObject({ phase: "Executing", attempts: [{ podUid: podUid(of) }] });
  // The attempt's token settles nothing for another pod, and gets no other token.
  const { token } = answer.body;
  expect((await call("POST", "/report", token, report(of, { podUid: randomUUID() }))).status).toBe(400);
  expect((await call("POST", "/report", token, report(of, { attempt: 2 }))).status).toBe(400);
  expect((await call("POST", "/start", token, startBody())).status).toBe(401);
  expect((await call("POST", "/token", token, {})).status).toBe(401);
  expect((await load(of))?.phase).toBe("Executing");
});

test("of a Job's pods the oldest is the attempt's, and once one has begun no other", async () => {
  const of = await startAttempt(api.client, mine, "siblings");
  const { labels, ownerReferences } = of.pod.metadata ?? {};
  const second = async (): Promise<V1Pod> => {
    const name = `later-${randomUUID()}`;
    const pod = await createPod(api.client, mine, name, { labels, ownerReferences });
    if (bornAt(pod) > bornAt(of.pod)) return pod;
    await api.client.delete(Pods, mine, name, { gracePeriodSeconds: 0 });
    return second();
  };
  const other = await podToken(api.client, await second());
  expect((await started(other)).status).toBe(409);
  expect((await started(await podToken(api.client, of.pod))).status).toBe(200);
  await expect.poll(() => load(of)).toMatchObject({ attempts: [{ podUid: podUid(of) }] });
  expect((await started(other)).status).toBe(409);
});
const bornAt = ({ metadata }: V1Pod): string => String(metadata?.creationTimestamp);

test("a start may be repeated, by a pod whose answer was lost, until the attempt has ended", async () => {
  const of = await startAttempt(api.client, mine, "again");
  const pod = await podToken(api.client, of.pod);
  const first = await started(pod);
  await expect.poll(() => load(of)).toMatchObject({ phase: "Executing" });
  const { startedAt } = (await load(of))?.attempts?.[0] ?? {};
  expect((await started(pod)).body.payload).toEqual(first.body.payload);
  expect((await load(of))?.attempts?.[0]).toMatchObject({ startedAt, podUid: podUid(of) });
  expect((await call("POST", "/report", first.body.token, report(of))).status).toBe(204);
  for (const bearer of [pod, first.body.token]) {
    for (const [method, path, body] of calls) {
      const answer = await call(method, path, bearer, path === "/report" ? report(of) : body?.());
      expect([401, 409], `${method} ${path}: ${answer.status}`).toContain(answer.status);
    }
  }
  expect(await load(of)).toMatchObject({ phase: "Completed", output: { n: 1 } });
});

test("a token of an attempt that was followed by another one is refused, in that run and in one of the same name", async () => {
  const of = await startAttempt(api.client, mine, "stolen");
  const pod = await podToken(api.client, of.pod);
  const { token } = (await started(pod)).body;
  await expect.poll(() => load(of)).toMatchObject({ phase: "Executing" });
  const attempts = [
    { ...(await load(of))?.attempts?.[0], outcome: "Failed", endedAt: new Date().toISOString() },
    { number: 2, job: "stolen-2", slot: 2, admittedAt: new Date().toISOString() },
  ];
  await setStatus(api.client, of.run, { phase: "Starting", attempts } as never);
  expect((await call("GET", "", token)).status).toBe(409);
  expect((await call("POST", "/report", token, report(of))).status).toBe(409);
  expect((await started(pod)).status).toBe(409);
  await api.client.delete(TaskRuns, mine, "stolen");
  await api.client.delete(Jobs, mine, "stolen-1", { propagationPolicy: "Background" });
  const next = await startAttempt(api.client, mine, "stolen", {}, 2);
  expect((await call("GET", "", token)).status).toBe(404);
  expect((await started(pod)).status).toBe(403);
  expect((await load(next))?.phase).toBe("Starting");
});

test.each<[how: string, end: (of: AttemptPod) => Promise<unknown>]>([
  [
    "has ended",
    ({ pod }) =>
      api.client.patch(
        Pods,
        mine,
        pod.metadata?.name ?? "",
        { status: { phase: "Failed" } },
        { type: "merge", subresource: "status" },
      ),
  ],
  [
    "is gone",
    ({ pod }) => api.client.delete(Pods, mine, pod.metadata?.name ?? "", { gracePeriodSeconds: 0 }),
  ],
  [
    "is gone, and another has its name",
    async ({ pod }) => {
      const { name = "", labels, ownerReferences } = pod.metadata ?? {};
      await api.client.delete(Pods, mine, name, { gracePeriodSeconds: 0 });
      await createPod(api.client, mine, name, { labels, ownerReferences });
    },
  ],
])("the token of a pod that %s opens nothing, though it has not expired", async (how, end) => {
  const of = await startAttempt(api.client, mine, how.replaceAll(/[^a-z]+/g, "-"));
  const token = await podToken(api.client, of.pod);
  await end(of);
  const answer = await started(token);
  expect(answer).toMatchObject({ status: 401 });
  expect((await load(of))?.phase).toBe("Starting");
});

test("a container reads its payload and is sent to its own place for its output, with its pod's token", async () => {
  const of = await startAttempt(api.client, mine, "container", {
    payloadData: "ä\0b",
    payloadType: "text/plain",
  });
  const token = await podToken(api.client, of.pod);
  const payload = await call("GET", "/payload", token);
  expect(payload.headers.get("content-type")).toContain("text/plain");
  expect(await payload.text()).toBe("ä\0b");
  const put = await call("PUT", "/output", token);
  expect(put.status).toBe(307);
  const location = put.headers.get("location") ?? "";
  expect(decodeURIComponent(location)).toContain(`ns/${mine}/runs/container.`);
  const url = await (await call("GET", "/output", token)).text();
  expect(new URL(url).pathname).toBe(new URL(location).pathname);
  expect((await fetch(url, { method: "PUT", body: "result" })).status).toBe(200);
});
