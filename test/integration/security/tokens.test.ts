/** What the holder of a public token tries against its own namespace. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import { RawCalls, signedToken as token } from "../../support/rawCalls.ts";
import { ApiReplica, key, namespace } from "../../support/servers/apiReplica.ts";

const calls = new RawCalls();
const { send, statusOf, trigger } = calls;
let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  calls.api = api;
});
afterAll(() => api?.stop());

const counts = async (): Promise<[number, number]> => {
  const runs = await api.client.list(TaskRuns, namespace);
  const batches = await api.client.list(TaskBatches, namespace);
  return [runs.items.length, batches.items.length];
};
const ndjson = { "content-type": "application/x-ndjson" };
const items = (...some: object[]) => some.map((item) => `${JSON.stringify(item)}\n`).join("");

describe("a run that somebody else made", () => {
  // The same name for the trigger, and for what the run would be called.
  test.each<[string, object, Record<string, string>]>([
    ["an idempotency key", { idempotencyKey: "order-1001" }, {}],
    ["an idempotency key in a header", {}, { "idempotency-key": "order-1002" }],
    ["the id of a request", {}, { "x-trigger-request-idempotency-key": "request-1" }],
    ["a debounce key", { debounce: { key: "user-1", delay: "1h" } }, {}],
    ["both", { idempotencyKey: "order-1003", debounce: { key: "user-2", delay: "1h" } }, {}],
  ])("is not got at, moved or replaced by guessing %s", async (_what, options, headers) => {
    const [mine, other] = [await token(["trigger:tasks:echo"]), await token(["trigger:tasks:echo"])];
    const { id } = (await trigger(key, options, headers)).body;
    const before = await api.client.get(TaskRuns, namespace, id.slice(4));
    const guessed = await trigger(mine, options, headers);
    expect(guessed.body).toMatchObject({ isCached: false });
    expect(guessed.body.id).not.toBe(id);
    expect(await statusOf(guessed.jwt ?? "", "GET", `/api/v3/runs/${id}`)).toBe(403);
    expect(await statusOf(guessed.jwt ?? "", "GET", `/api/v3/runs/${guessed.body.id}`)).toBe(200);
    expect(await api.client.get(TaskRuns, namespace, id.slice(4))).toEqual(before);
    // Its own is found again; another token has none of it.
    const again = await trigger(mine, options, headers);
    expect(again.body.id).toBe(guessed.body.id);
    expect(await statusOf(again.jwt ?? "", "GET", `/api/v3/runs/${again.body.id}`)).toBe(200);
    expect((await trigger(other, options, headers)).body.id).not.toBe(guessed.body.id);
    expect((await trigger(key, options, headers)).body.id).toBe(id);
  });

  test("is not made in advance under its key", async () => {
    const squatter = await token(["trigger:tasks:echo"]);
    const options = { idempotencyKey: "order-2001" };
    const { id } = (await trigger(squatter, options)).body;
    const wanted = await trigger(key, options);
    expect(wanted.body).toMatchObject({ isCached: false });
    expect(wanted.body.id).not.toBe(id);
    // What is shown is the key that was sent.
    expect((await send(key, "GET", `/api/v3/runs/${id}`)).body).toMatchObject(options);
  });

  test("does not become the result of a batch's item", async () => {
    const { id } = (await trigger(key, { idempotencyKey: "order-3001" })).body;
    const browser = await token(["batchTrigger:tasks:echo"]);
    const batch = await send(browser, "POST", "/api/v1/tasks/batch", {
      items: [{ task: "echo", payload: 1, options: { idempotencyKey: "order-3001" } }],
    });
    expect(batch.status).toBe(200);
    expect(JSON.stringify(batch.body.runs)).not.toContain(id);
  });
});

describe("a batch that somebody else made", () => {
  test("takes no items of another token, and says no more than that there is none", async () => {
    const [mine, other] = [await token(["batchTrigger:tasks"]), await token(["batchTrigger:tasks"])];
    const item = items({ index: 0, task: "echo", payload: "theirs" });
    for (const owner of [mine, key]) {
      const { id } = (await send(owner, "POST", "/api/v3/batches", { runCount: 1 })).body;
      const refused = await send(other, "POST", `/api/v3/batches/${id}/items`, item, ndjson);
      const missing = await send(other, "POST", "/api/v3/batches/batch_none/items", item, ndjson);
      expect([refused.status, missing.status]).toEqual([404, 404]);
      expect(refused.body.error).toBe(`There is no batch ${id}.`);
      const own = await send(owner, "POST", `/api/v3/batches/${id}/items`, item, ndjson);
      expect(own.body).toMatchObject({ itemsAccepted: 1, sealed: true });
    }
  });

  test.each<[string, object, Record<string, string>]>([
    ["an idempotency key", { idempotencyKey: "nightly" }, {}],
    ["the id of a request", {}, { "x-trigger-request-idempotency-key": "request-batch" }],
  ])("is not got at by guessing %s", async (_what, body, headers) => {
    const browser = await token(["batchTrigger:tasks"]);
    const { id } = (await send(key, "POST", "/api/v3/batches", { runCount: 1, ...body }, headers)).body;
    const guessed = await send(browser, "POST", "/api/v3/batches", { runCount: 1, ...body }, headers);
    expect(guessed.body.id).not.toBe(id);
    expect(await statusOf(guessed.jwt ?? "", "GET", `/api/v2/batches/${id}`)).toBe(403);
  });
});

describe("a token for one use", () => {
  const scopes = ["trigger:tasks", "batchTrigger:tasks", "write:runs"];

  test("makes one run in all: by trigger, replay or batch, in any order, on every replica", async () => {
    const one = await token(scopes, { otu: true });
    const { id } = (await trigger(key)).body;
    const [runs, batches] = await counts();
    const first = await trigger(one);
    await api.kill();
    await api.listen();
    const uses = await Promise.all([
      trigger(one),
      trigger(one, {}, { "x-trigger-request-idempotency-key": "fresh" }, "mail"),
      send(one, "POST", `/api/v1/runs/${id}/replay`, { payload: 2 }),
      send(one, "POST", "/api/v3/batches", { runCount: 3 }),
      send(one, "POST", "/api/v2/tasks/batch", { items: [{ task: "echo" }] }),
    ]);
    expect(uses.map(({ status }) => status)).toEqual([200, 200, 200, 403, 403]);
    expect(uses.slice(0, 3).map(({ body }) => body.id)).toEqual(Array(3).fill(first.body.id));
    expect(await counts()).toEqual([runs + 1, batches]);
  });

  test("of which many arrive at once makes one run", async () => {
    const one = await token(scopes, { otu: true });
    const [runs] = await counts();
    await Promise.all(Array.from({ length: 20 }, () => trigger(one)));
    expect((await counts())[0]).toBe(runs + 1);
  });

  test("used for a run and a batch at once makes one of them", async () => {
    for (let round = 0; round < 5; round++) {
      const one = await token(scopes, { otu: true });
      const [runs, batches] = await counts();
      const uses = await Promise.all([trigger(one), send(one, "POST", "/api/v3/batches", { runCount: 1 })]);
      expect(uses.map(({ status }) => status).filter((status) => status === 403)).toHaveLength(1);
      const [runsNow, batchesNow] = await counts();
      expect(runsNow + batchesNow).toBe(runs + batches + 1);
    }
  });

  test("that made a batch makes no run", async () => {
    const one = await token(scopes, { otu: true });
    const [runs, batches] = await counts();
    const batch = await send(one, "POST", "/api/v3/batches", { runCount: 1 });
    expect((await trigger(one)).status).toBe(403);
    expect((await send(one, "POST", "/api/v3/batches", { runCount: 1 })).body.id).toBe(batch.body.id);
    expect(await counts()).toEqual([runs, batches + 1]);
  });

  test("whose run was deleted long ago makes no other", async () => {
    const one = await token(scopes, { otu: true });
    const { id } = (await trigger(one)).body;
    await api.client.delete(TaskRuns, namespace, id.slice(4));
    // A use that broke off before its run was made is repeated.
    expect((await trigger(one)).body.id).toBe(id);
    await api.client.delete(TaskRuns, namespace, id.slice(4));
    api.clock = () => Date.now() + 2 * 3_600_000;
    const [runs] = await counts();
    expect((await trigger(one)).status).toBe(403);
    expect((await counts())[0]).toBe(runs);
    api.clock = Date.now;
  });

  test("for a batch makes one, whose items come in once", async () => {
    const one = await token(["batchTrigger:tasks"], { otu: true });
    const [, batches] = await counts();
    const { id } = (await send(one, "POST", "/api/v3/batches", { runCount: 1 })).body;
    expect((await send(one, "POST", "/api/v3/batches", { runCount: 1 })).body.id).toBe(id);
    expect(await statusOf(one, "POST", "/api/v3/batches", { runCount: 2 })).toBe(422);
    const line = items({ index: 0, task: "echo", payload: 1 });
    const sent = await send(one, "POST", `/api/v3/batches/${id}/items`, line, ndjson);
    expect(sent.body).toMatchObject({ itemsAccepted: 1, sealed: true });
    const again = await send(one, "POST", `/api/v3/batches/${id}/items`, line, ndjson);
    expect(again.body).toMatchObject({ itemsAccepted: 0, itemsDeduplicated: 1 });
    const whole = await send(one, "POST", "/api/v2/tasks/batch", { items: [{ task: "echo" }] });
    expect(whole.body.id).toBe(id);
    expect((await counts())[1]).toBe(batches + 1);
  });

  test("is one of its own, also when two are made at the same time", async () => {
    const mint = () => send(key, "POST", "/api/v1/auth/public-tokens", { scopes, oneTimeUse: true });
    const [a, b] = (await Promise.all([mint(), mint()])).map(({ body }) => String(body.token));
    const ids = [(await trigger(a ?? "")).body.id, (await trigger(b ?? "")).body.id];
    expect(new Set(ids).size).toBe(2);
  });
});

describe("a token to read", () => {
  const scopeOf: Record<string, string> = {
    tag: "read:tags:user:1",
    task: "read:tasks:mail",
    all: "read:all",
    runs: "read:runs",
  };

  test.each(Object.entries(scopeOf))(
    "by its %s reads and lists those runs, and no others",
    async (_what, scope) => {
      const own = (await trigger(key, { tags: ["user:1"] }, {}, "mail")).body.id;
      const other = (await trigger(key, { tags: ["user:11", "user"] }, {}, "mail-2")).body.id;
      const reader = await token([scope]);
      const isAll = scope === "read:all" || scope === "read:runs";
      for (const path of ["/api/v3/runs/ID", "/api/v1/runs/ID/metadata", "/realtime/fairlead/v1/runs/ID"]) {
        const at = (id: string) =>
          api
            .fetch(path.replace("ID", id), { headers: { authorization: `Bearer ${reader}` } })
            .then(async (answer) => {
              await answer.body?.cancel();
              return answer.status;
            });
        expect(await at(own), path).toBe(200);
        expect(await at(other), path).toBe(isAll ? 200 : 403);
        // One that it may not read, and one that is not there, are the same.
        expect(await at("run_none"), path).toBe(isAll ? 404 : 403);
      }
      await waitFor("the replica has seen both", async () => {
        const all = await send(key, "GET", "/api/v1/runs?page[size]=100");
        return [own, other].every((id) => all.body.data.some((run) => run.id === id));
      });
      const listed = (await send(reader, "GET", "/api/v1/runs?page[size]=100")).body.data.map(({ id }) => id);
      expect(listed).toContain(own);
      expect(listed.includes(other)).toBe(isAll);
      expect(
        await statusOf(reader, "GET", "/api/v1/runs?filter[tag]=user:11&filter[taskIdentifier]=mail-2"),
      ).toBe(isAll ? 200 : 403);
      expect(await statusOf(reader, "POST", `/api/v2/runs/${own}/cancel`)).toBe(403);
    },
  );

  test("by its batch reads the batch and its runs", async () => {
    const batches = { batch: "", other: "" };
    for (const name of ["batch", "other"] as const) {
      const { id } = (await send(key, "POST", "/api/v1/tasks/batch", { items: [{ task: "echo" }] })).body;
      batches[name] = id;
      // As the controller makes it.
      await api.client.create(TaskRuns, namespace, {
        apiVersion: "fairlead.dev/v1alpha1",
        kind: "TaskRun",
        metadata: { namespace, name: `${id.slice(6)}-0` },
        spec: { task: "echo", batch: { name: id.slice(6), index: 0 } },
      });
    }
    const reader = await token([`read:batch:${batches.batch}`]);
    const run = (id: string) => `/api/v3/runs/run_${id.slice(6)}-0`;
    expect(await statusOf(reader, "GET", `/api/v2/batches/${batches.batch}`)).toBe(200);
    expect(await statusOf(reader, "GET", run(batches.batch))).toBe(200);
    expect(await statusOf(reader, "GET", `/api/v2/batches/${batches.other}`)).toBe(403);
    expect(await statusOf(reader, "GET", run(batches.other))).toBe(403);
  });

  test("one run lists nothing", async () => {
    const { id } = (await trigger(key)).body;
    expect(await statusOf(await token([`read:runs:${id}`]), "GET", "/api/v1/runs")).toBe(403);
  });
});

test("a token that may write all runs and read some does not make others its own", async () => {
  const { id } = (await trigger(key)).body;
  const writer = await token(["write:runs", "read:tags:mine"]);
  const run = `/api/v1/runs/${id}`;
  expect(await statusOf(writer, "POST", `${run}/tags`, { tags: ["mine"] })).toBe(403);
  expect(await statusOf(writer, "PUT", `${run}/metadata`, { metadata: {} })).toBe(403);
  expect(await statusOf(writer, "POST", `${run}/replay`, { tags: ["mine"] })).toBe(403);
  expect(await statusOf(writer, "GET", `/api/v3/runs/${id}`)).toBe(403);
  expect(await statusOf(writer, "POST", `/api/v2/runs/${id}/cancel`)).toBe(200);
});

test("a token that may trigger sets no limit of a queue that others use, by no route", async () => {
  const options = { queue: { name: "emails", concurrencyLimit: 1 } };
  const { id } = (await trigger(key, options)).body;
  const bearer = await token(["trigger:tasks", "batchTrigger:tasks", "write:runs"]);
  expect((await trigger(bearer, options)).status).toBe(403);
  expect(await statusOf(bearer, "POST", `/api/v1/runs/${id}/replay`, options)).toBe(403);
  const batch = { items: [{ task: "echo", payload: 1, options }] };
  expect(await statusOf(bearer, "POST", "/api/v2/tasks/batch", batch)).toBe(403);
  expect(await statusOf(bearer, "POST", `/api/v1/runs/${id}/replay`, {})).toBe(200);
  expect((await trigger(bearer, { queue: { name: "emails" } })).status).toBe(200);
  expect(await statusOf(await token(["read:queues:emails"]), "GET", "/api/v1/queues")).toBe(403);
  expect(await statusOf(await token(["read:queues"]), "GET", "/api/v1/queues")).toBe(200);
});

test("a replay gives no token to read what its maker may not read", async () => {
  const { id } = (await trigger(key, { metadata: { card: 41111 } })).body;
  const path = `/api/v1/runs/${id}/replay`;
  const blind = await token(["write:runs", "trigger:tasks"]);
  for (const body of [{}, { payload: 1 }]) {
    const replayed = await send(blind, "POST", path, body);
    expect([replayed.status, replayed.jwt]).toEqual([200, null]);
  }
  const reader = await token(["write:runs", "trigger:tasks", "read:tasks:echo"]);
  expect((await send(reader, "POST", path, {})).jwt).not.toBeNull();
});

test("what a token uploads is its own: no other reads it, replaces it or triggers with it", async () => {
  const path = "trigger/packet_1/payload.json";
  const put = async (bearer: string, text: string) => {
    const { presignedUrl } = (await send(bearer, "PUT", `/api/v2/packets/${path}`)).body;
    const headers = { "content-type": "application/json" };
    await fetch(String(presignedUrl), { method: "PUT", headers, body: text });
  };
  const get = async (bearer: string) => {
    const { presignedUrl } = (await send(bearer, "GET", `/api/v1/packets/${path}`)).body;
    const answer = await fetch(String(presignedUrl));
    return answer.ok ? answer.text() : answer.status;
  };
  const [a, b] = [await token(["trigger:tasks:echo"]), await token(["batchTrigger:tasks:echo"])];
  await put(key, '"backend"');
  expect([await get(a), await get(b)]).toEqual([404, 404]);
  await put(a, '"a"');
  expect([await get(key), await get(a), await get(b)]).toEqual(['"backend"', '"a"', 404]);
  const stored = { payload: path, options: { payloadType: "application/store" } };
  const { id } = (await send(a, "POST", "/api/v1/tasks/echo/trigger", stored)).body;
  expect((await send(key, "GET", `/api/v3/runs/${id}`)).body.payload).toBe("a");
  const foreign = await send(b, "POST", "/api/v2/tasks/batch", { items: [{ task: "echo", ...stored }] });
  expect(foreign.status).toBe(422);
  for (const guess of ["~", "..", "%7E"])
    expect(await statusOf(a, "GET", `/api/v1/packets/${guess}/x`)).toBeGreaterThanOrEqual(400);
});
