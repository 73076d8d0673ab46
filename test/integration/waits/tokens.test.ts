/** Tokens over HTTP, from a backend, a browser and a webhook; batches; and the runner's own waits. */
import type { WaitBody } from "@fairlead/protocol/runnerApi";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WaitTokens } from "../../../operator/src/model/kinds.ts";
import { waitingBy } from "../../../runtime-image/src/waiting/waits.ts";
import { namespace } from "../../support/servers/apiReplica.ts";
import { WaitWorld } from "./waitWorld.ts";

let world: WaitWorld;
beforeAll(async () => {
  world = await WaitWorld.start();
  await world.createTask("one", { name: "one", concurrencyLimit: 1 });
  await world.createTask("free");
}, 60_000);
afterAll(() => world?.stop(), 60_000);

const tokens = "/api/v1/waitpoints/tokens";
const post = (path: string, body: object, headers: Record<string, string> = {}) =>
  world.api.fetch(path, { method: "POST", body: JSON.stringify(body), headers });
const create = async (body: object) => {
  const response = await post(tokens, body);
  return {
    ...((await response.json()) as { id: string; isCached: boolean; url: string }),
    jwt: response.headers.get("x-trigger-jwt"),
  };
};
const retrieve = async (id: string) => (await world.api.fetch(`${tokens}/${id}`)).json();

test("a token is completed once, by its public token from a browser, and what comes later changes nothing", async () => {
  const { id, jwt } = await create({ timeout: "1h", tags: ["a"] });
  expect(await retrieve(id)).toMatchObject({ id, status: "WAITING", tags: ["a"], outputIsError: false });
  const url = `${world.api.url}${tokens}/${id}/complete`;
  const origin = { origin: "https://example.org" };
  const asked = await fetch(url, {
    method: "OPTIONS",
    headers: { ...origin, "access-control-request-headers": "authorization" },
  });
  expect(asked.headers.get("access-control-allow-origin")).toBe("*");
  const headers = { ...origin, authorization: `Bearer ${jwt}`, "content-type": "application/json" };
  const body = JSON.stringify({ data: { status: "approved" } });
  const done = await fetch(url, { method: "POST", headers, body });
  expect([done.headers.get("access-control-allow-origin"), await done.json()]).toEqual([
    "*",
    { success: true },
  ]);
  expect(await (await post(`${tokens}/${id}/complete`, { data: 2 })).json()).toEqual({ success: true });
  expect(await retrieve(id)).toMatchObject({ status: "COMPLETED", output: '{"status":"approved"}' });
  const other = await create({});
  expect((await fetch(url.replace(id, other.id), { method: "POST", headers, body })).status).toBe(403);
  expect((await fetch(`${world.api.url}${tokens}`, { headers })).status).toBe(403);
});

test("a webhook completes a token by its url alone; a wrong one is none", async () => {
  const { id, url } = await create({ timeout: "1h" });
  expect((await fetch(`${url}0`, { method: "POST", body: "{}" })).status).toBe(404);
  const headers = { "content-type": "application/json" };
  expect((await fetch(url, { method: "POST", headers, body: '{"n":1}' })).status).toBe(200);
  expect(await retrieve(id)).toMatchObject({ status: "COMPLETED", output: '{"n":1}' });
});

test("one key makes one token until it expires, and lists filter", async () => {
  const keyed = { idempotencyKey: "k", idempotencyKeyTTL: "1h", tags: ["listed"] };
  const [first, second] = [await create(keyed), await create(keyed)];
  expect([first.isCached, second.isCached, second.id]).toEqual([false, true, first.id]);
  const list = async (query: string) =>
    ((await (await world.api.fetch(`${tokens}?${query}`)).json()) as { data: { id: string }[] }).data.map(
      ({ id }) => id,
    );
  expect(await list("filter[tags]=listed&filter[status]=WAITING")).toEqual([first.id]);
  expect(await list("filter[status]=TIMED_OUT")).toEqual([]);
  expect((await world.api.fetch(`${tokens}?filter[state]=x`)).status).toBe(400);
});

test("a token times out, and the run that waits for it goes on with that; its status does not change any more", async () => {
  const parent = await world.begin(await world.trigger("one"));
  const { id } = await create({ timeout: "1s" });
  const { results = {} } = await world.wait(parent, [id]);
  expect(results[id]).toMatchObject({ ok: false, output: expect.stringContaining("timed out") });
  expect(await retrieve(id)).toMatchObject({ status: "TIMED_OUT", outputIsError: true });
  const name = id.slice("waitpoint_".length);
  const again = { status: { state: "Completed" } } as never;
  const patched = world.api.client.patch(WaitTokens, namespace, name, again, {
    type: "merge",
    subresource: "status",
  });
  await expect(patched).rejects.toThrow("stays so");
  await world.complete(parent);
});

test("a batch that is waited for gives its results in order", async () => {
  const parent = await world.begin(await world.trigger("one"));
  const created = await post("/api/v3/batches", {
    runCount: 2,
    parentRunId: parent.id,
    resumeParentOnCompletion: true,
  });
  const { id } = (await created.json()) as { id: string };
  const lines = [0, 1].map((index) => JSON.stringify({ index, task: "free", payload: index })).join("\n");
  const headers = { "content-type": "application/x-ndjson" };
  await world.api.fetch(`/api/v3/batches/${id}/items`, { method: "POST", headers, body: `${lines}\n` });
  const answer = world.wait(parent, [id]);
  const name = id.slice("batch_".length);
  for (const index of [1, 0]) await world.complete(await world.begin(`run_${name}-${index}`), { index });
  const { results = {} } = await answer;
  expect(results[id]).toMatchObject({
    id,
    items: [
      { ok: true, output: '{"index":0}' },
      { ok: true, output: '{"index":1}' },
    ],
  });
  expect((await world.run(`run_${name}-0`)).spec.parent).toMatchObject({ name: parent.name, waits: true });
  await world.complete(parent);
}, 30_000);

test("the runner's waits: two children in the parent's own queue, at once, and each goes on with its result", async () => {
  const parent = await world.begin(await world.trigger("one"));
  const api = {
    wait: ({ on, slot }: WaitBody, signal: AbortSignal) => world.wait(parent, [...on], slot, signal),
  };
  const waiting = waitingBy(api, () => undefined);
  const children = [await world.child(parent, "one"), await world.child(parent, "one")];
  const both = Promise.all(children.map((id) => waiting.task(id)));
  for (const id of children) await world.complete(await world.begin(id), { id });
  expect((await both).map((result) => result.ok && result.output)).toEqual(
    children.map((id) => JSON.stringify({ id })),
  );
  await world.complete(parent);
});
