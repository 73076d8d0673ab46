/** Logs of runs whose pods are gone: from the bucket, of the run's own attempts only. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type TaskRun } from "../../../operator/src/model/resources.ts";
import { logKey } from "../../../operator/src/storage/layout.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

const at = "2026-01-01T00:00:00Z";
const uids = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];

/** A run that ended after as many attempts as there are logs. */
async function ended(name: string, logs: (string | undefined)[], key?: string): Promise<void> {
  const spec = { container: { image: "x:1" } };
  const run = await api.client.create(TaskRuns, namespace, {
    apiVersion,
    kind: "TaskRun",
    metadata: { name },
    spec,
  } as TaskRun);
  const attempts = logs.map((log, index) => ({
    number: index + 1,
    job: `${name}-${index + 1}`,
    pod: `${name}-${index + 1}-x`,
    podUid: uids[index],
    slot: index + 1,
    admittedAt: at,
    finishedAt: at,
    outcome: "Failed" as const,
    captured: true,
    logKey: key,
    ...(log === undefined && { logNote: "Its node does not answer." }),
  }));
  const status = { phase: "Failed", attempt: logs.length, attempts, finishedAt: at };
  await api.client.patch(TaskRuns, namespace, name, { status }, { type: "merge", subresource: "status" });
  for (const [index, log] of logs.entries()) {
    if (log === undefined) continue;
    const own = logKey(run.metadata, index + 1, uids[index] ?? "");
    await api.store.of(namespace).put(own, log, { type: "text/plain" });
  }
}

async function read(name: string, query = ""): Promise<{ status: number; text: string }> {
  const response = await api.fetch(`/api/v1/runs/run_${name}/logs${query}`);
  return { status: response.status, text: await response.text() };
}

test("a log is whole, without the times unless they are asked for", async () => {
  await ended("one", [`${at} first\n${at} \n${at} last without end`]);
  expect(await read("one")).toEqual({ status: 200, text: "first\n\nlast without end\n" });
  expect((await read("one", "?timestamps=true")).text).toBe(`${at} first\n${at} \n${at} last without end\n`);
});

test("a log from before lines had times is told as it is", async () => {
  await ended("old", ["no time here\n"]);
  expect((await read("old", "?timestamps=true")).text).toBe("no time here\n");
});

test("attempts are told apart, one can be chosen, and what is missing is said", async () => {
  await ended("two", [`${at} a\n`, undefined]);
  expect((await read("two")).text).toBe("== attempt 1 ==\na\n(Its node does not answer.)\n");
  expect((await read("two", "?attempt=1")).text).toBe("a\n");
  const lines = (await read("two", "?format=json")).text.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { attempt: 1, at, line: "a" },
    { attempt: 2, note: "Its node does not answer." },
  ]);
});

test("since leaves out older lines; follow ends with a run that has ended", async () => {
  await ended("since", [`${at} old\n2026-01-02T00:00:00.5Z new\n`]);
  expect((await read("since", "?since=2026-01-01T12:00:00Z&follow=true")).text).toBe("new\n");
});

test("a key that a status names is not believed", async () => {
  await api.store.of("other").put("ns/other/secret", "secret of another", { type: "text/plain" });
  await ended("lying", [`${at} mine\n`], "ns/other/secret");
  expect((await read("lying")).text).toBe("mine\n");
});

test.each([
  ["attempt=0", "attempt: a whole number"],
  ["since=soon", "since: a duration"],
  ["follow=yes", "follow: true or false"],
  ["format=xml", "format: text or json"],
])("%s is refused", async (query, message) => {
  await ended(`bad-${query.slice(0, 3)}`, [undefined]);
  const { status, text } = await read(`bad-${query.slice(0, 3)}`, `?${query}`);
  expect({ status, text }).toEqual({ status: 400, text: expect.stringContaining(message) });
});

test("a public token reads the log of its run, and of no other", async () => {
  await ended("mine", [`${at} mine\n`]);
  const made = await api.fetch("/api/v1/auth/public-tokens", {
    method: "POST",
    body: JSON.stringify({ scopes: ["read:runs:run_mine"] }),
  });
  const { token } = (await made.json()) as { token: string };
  const headers = { authorization: `Bearer ${token}` };
  expect((await api.fetch("/api/v1/runs/run_mine/logs", { headers })).status).toBe(200);
  expect((await api.fetch("/api/v1/runs/run_two/logs", { headers })).status).toBe(403);
  expect((await api.fetch("/api/v1/runs/run_none/logs")).status).toBe(404);
});
