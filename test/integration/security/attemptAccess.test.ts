/**
 * The code inside of a run at the public API: with its attempt's token or its pod's, by plain fetch and by
 * the SDKs. It does in its namespace what its Task allows, while its attempt is current, and nothing else.
 */

import { runId } from "@fairlead/protocol/ids";
import { accessAnnotation } from "@fairlead/protocol/labels";
import * as ours from "@fairlead/sdk";
import * as official from "@trigger.dev/sdk";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Jobs, Namespaces } from "../../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { type AttemptPod, createServiceAccount, podToken, startAttempt } from "../../support/attemptPod.ts";
import { ApiReplica } from "../../support/servers/apiReplica.ts";

const mine = "team-a";
const theirs = "team-b";
let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  for (const name of [mine, theirs]) {
    await api.client.create(Namespaces, undefined, { metadata: { name } });
    await createServiceAccount(api.client, name);
  }
  await startAttempt(api.client, theirs, "foreign", { payload: { secret: 42 } });
});
afterAll(() => api?.stop());

interface Inside extends AttemptPod {
  /** The attempt's token, and its pod's. */
  token: string;
  pods: string;
}

/** `access`: as its Task says it. */
async function inside(name: string, access?: string[]): Promise<Inside> {
  const of = await startAttempt(api.client, mine, name);
  if (access)
    await api.client.patch(
      Jobs,
      mine,
      `${name}-1`,
      { metadata: { annotations: { [accessAnnotation]: JSON.stringify(access) } } },
      { type: "merge" },
    );
  const pods = await podToken(api.client, of.pod);
  const answer = await fetch(`${api.url}/engine/v1/attempt/start`, {
    method: "POST",
    headers: { authorization: `Bearer ${pods}`, "content-type": "application/json" },
    body: JSON.stringify({ startedAt: new Date().toISOString() }),
  });
  const { token } = (await answer.json()) as { token: string };
  await expect
    .poll(async () => (await api.client.get(TaskRuns, mine, name))?.status?.phase)
    .toBe("Executing");
  return { ...of, token, pods };
}

const call = async (bearer: string, method: string, path: string, body?: object) => {
  const answer = await fetch(`${api.url}/api${path}`, {
    method,
    headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  return {
    status: answer.status,
    body: (await answer.json()) as { id?: string; token?: string; error?: string },
  };
};

describe("plain fetch", () => {
  test.each(["token", "pods"] as const)(
    "triggers, reads and changes with the attempt's %s, in its own namespace",
    async (which) => {
      const code = await inside(`fetch-${which}`);
      const bearer = code[which];
      const triggered = await call(bearer, "POST", "/v1/tasks/other/trigger", { payload: { n: 1 } });
      expect(triggered.status).toBe(200);
      const { id = "" } = triggered.body;
      const child = await api.client.get(TaskRuns, mine, id.replace("run_", ""));
      expect(child?.spec).toMatchObject({ task: "other" });
      expect((await call(bearer, "GET", `/v3/runs/${id}`)).body).toMatchObject({
        id,
        taskIdentifier: "other",
      });
      expect((await call(bearer, "POST", `/v1/runs/${id}/tags`, { tags: ["t"] })).status).toBe(200);
      expect((await call(bearer, "PUT", `/v1/runs/${id}/metadata`, { metadata: { a: 1 } })).status).toBe(200);
      expect((await call(bearer, "POST", `/v2/runs/${id}/cancel`)).status).toBe(200);
      expect((await call(bearer, "GET", "/v1/queues")).status).toBe(200);
      expect((await call(bearer, "GET", "/v1/schedules")).status).toBe(200);
      const many = { runCount: 1 };
      expect((await call(bearer, "POST", "/v3/batches", many)).status).toBeLessThan(300);
    },
  );

  test("finds nothing of another namespace, and gets neither variables nor keys", async () => {
    const { token } = await inside("fetch-foreign");
    const foreign = await call(token, "GET", `/v3/runs/${runId("foreign")}`);
    expect(foreign.status).toBe(404);
    const { status: variables } = await call(token, "GET", `/v1/projects/p/envvars/${mine}`);
    expect(variables).toBe(403);
    const write = { name: "X", value: "1" };
    expect((await call(token, "POST", `/v1/projects/p/envvars/${mine}`, write)).status).toBe(403);
  });
});

describe.each([
  ["our SDK", "ours", ours],
  // What is called here has the same shape.
  ["the official SDK", "official", official as unknown as typeof ours],
] as const)("%s", (_title, slug, { auth, configure, runs, tasks }) => {
  test("works with the attempt's token as its key", async () => {
    const { token } = await inside(`sdk-${slug}`);
    configure({ baseURL: api.url, accessToken: token });
    const { id } = await tasks.trigger("other", { n: 1 }, { tags: ["x"] });
    expect(await runs.retrieve(id)).toMatchObject({ id, taskIdentifier: "other" });
    const batch = await tasks.batchTrigger("other", [{ payload: 1 }, { payload: 2 }]);
    expect(batch.runCount).toBe(2);
    // A browser's token, which the code makes, reads what it says.
    const publicToken = await auth.createPublicToken({ scopes: { read: { runs: [id] } } });
    expect((await call(publicToken, "GET", `/v3/runs/${id}`)).status).toBe(200);
    expect((await call(publicToken, "POST", "/v1/tasks/other/trigger", {})).status).toBe(403);
    expect((await call(publicToken, "GET", `/v3/runs/run_sdk-${slug}`)).status).toBe(403);
  });
});

describe("public tokens that an SDK signs itself, as the official one before 4.8 does", () => {
  const signed = (secret: string, claims: object, exp: string | number = "15m") =>
    new SignJWT({ ...claims, scopes: ["read:runs", "trigger:tasks"] })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer("https://id.trigger.dev")
      .setAudience("https://api.trigger.dev")
      .setIssuedAt()
      .setExpirationTime(exp)
      .sign(new TextEncoder().encode(secret));

  test("count with the attempt's token as their key, for what the attempt may, and no other text", async () => {
    const { token } = await inside("signs", ["read:runs"]);
    const { body: claims } = await call(token, "POST", "/v1/auth/jwt/claims");
    const own = await signed(token, claims);
    expect((await call(own, "GET", `/v3/runs/${runId("signs")}`)).status).toBe(200);
    expect((await call(own, "POST", "/v1/tasks/other/trigger", {})).status).toBe(403);
    const { by = "" } = claims as { by?: string };
    for (const forged of [
      await signed(`${by}.`, claims),
      await signed(by, claims),
      await signed(token, { ...claims, sub: theirs }),
      await signed(token, { pub: true, sub: mine }),
      await signed(token, claims, Math.floor(Date.now() / 1000) - 1),
    ])
      expect((await call(forged, "GET", `/v3/runs/${runId("signs")}`)).status).toBe(401);
  });
});

test("a Task narrows what its code may do; its own run stays its own", async () => {
  const { token } = await inside("narrow", ["trigger:tasks:mail"]);
  expect((await call(token, "POST", "/v1/tasks/mail/trigger", {})).status).toBe(200);
  expect((await call(token, "POST", "/v1/tasks/other/trigger", {})).status).toBe(403);
  const other = await startAttempt(api.client, mine, "not-narrow");
  expect((await call(token, "GET", `/v3/runs/${runId(other.run.metadata.name)}`)).status).toBe(403);
  expect(
    (await call(token, "PUT", `/v1/runs/${runId("not-narrow")}/metadata`, { metadata: {} })).status,
  ).toBe(403);
  expect((await call(token, "GET", "/v1/queues")).status).toBe(403);
  expect((await call(token, "GET", "/v1/schedules")).status).toBe(403);
  expect((await call(token, "GET", "/v1/runs")).status).toBe(403);
  // Its own.
  expect((await call(token, "GET", `/v3/runs/${runId("narrow")}`)).status).toBe(200);
  expect(
    (await call(token, "PUT", `/v1/runs/${runId("narrow")}/metadata`, { metadata: { a: 1 } })).status,
  ).toBe(200);
  expect((await call(token, "POST", `/v1/runs/${runId("narrow")}/tags`, { tags: ["t"] })).status).toBe(200);
  // It gives no more than it has.
  const give = (scopes: string[]) => call(token, "POST", "/v1/auth/public-tokens", { scopes });
  expect((await give(["trigger:tasks:mail"])).status).toBe(200);
  for (const scope of ["trigger:tasks", "read:all", "read:runs", "admin", "trigger:tasks:other", "write:all"])
    expect((await give([scope])).status).toBe(403);
  const long = { scopes: ["trigger:tasks:mail"], expirationTime: "2d" };
  expect((await call(token, "POST", "/v1/auth/public-tokens", long)).status).toBe(400);
});

test("a Task whose access is empty lets its code do nothing but with its own run", async () => {
  const { token } = await inside("nothing", []);
  expect((await call(token, "POST", "/v1/tasks/mail/trigger", {})).status).toBe(403);
  expect((await call(token, "GET", `/v3/runs/${runId("nothing")}`)).status).toBe(200);
});

test("once the attempt has ended, neither its token nor its pod's opens anything", async () => {
  const { token, pods, pod, run } = await inside("ended");
  const report = {
    ...{ v: 1, attempt: 1, podUid: pod.metadata?.uid, outcome: "completed" },
    startedAt: new Date().toISOString(),
    finishedAt: new Date().toISOString(),
  };
  const settled = await fetch(`${api.url}/engine/v1/attempt/report`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(report),
  });
  expect(settled.status).toBe(204);
  for (const bearer of [token, pods]) {
    expect((await call(bearer, "POST", "/v1/tasks/other/trigger", {})).status).toBe(401);
    expect((await call(bearer, "GET", `/v3/runs/${runId(run.metadata.name)}`)).status).toBe(401);
    expect((await call(bearer, "POST", "/v1/auth/public-tokens", { scopes: ["read:runs"] })).status).toBe(
      401,
    );
  }
});

test("a false token is no attempt's", async () => {
  const { token } = await inside("forged");
  const [header, body] = token.split(".");
  for (const forged of [`${header}.${body}.AAAA`, `${header}.${body}.`])
    expect((await call(forged, "GET", `/v3/runs/${runId("forged")}`)).status).toBe(401);
});
