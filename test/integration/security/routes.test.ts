/** Every route of the API, asked by those who may not: a route without its check fails here. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { operations } from "../../../operator/src/api/openapi.ts";
import { RawCalls, signedToken } from "../../support/rawCalls.ts";
import { ApiReplica, key, namespace } from "../../support/servers/apiReplica.ts";

const calls = new RawCalls();
const { statusOf, trigger } = calls;
let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  calls.api = api;
});
afterAll(() => api?.stop());

/** Asked without a key; a callback's URL is the right itself. */
const open = ["/api/v1/timezones", "/api/v1/waitpoints/tokens/{id}/callback/{hash}"];
const routes = operations
  .filter(({ path }) => !open.includes(path))
  .map(({ method, path }) => [method.toUpperCase(), path] as const);
/** With something in each of its places; `id` is a run, or a batch, that is there. */
const filled = (path: string, id: string): string =>
  path
    .replace("{id}", id)
    .replace("{slug}", namespace)
    .replace("{field}", "output")
    .replace(/\{\w+\}/g, "x");

const everything = ["read", "write", "trigger", "batchTrigger"].flatMap((verb) => [
  `${verb}:all`,
  ...["runs", "tags", "tasks", "batch", "queues"].map((kind) => `${verb}:${kind}`),
]);

describe.each(routes)("%s %s", (method, path) => {
  const ndjson = path.endsWith("/items") ? { "content-type": "application/x-ndjson" } : {};
  const ask = async (bearer: string) => {
    const { id } = (await trigger(key)).body;
    const body = method === "GET" ? undefined : "{}";
    return (await calls.send(bearer, method, filled(path, id), body, ndjson)).status;
  };

  test("wants a key or a token", async () => expect(await ask("nobody")).toBe(401));

  test("is closed to a token without scopes, and to one whose scopes are none", async () => {
    const odd = ["", "*", "read", "read:", "admin:runs", "READ:RUNS", "read:runs:", "write:tasks:", "admin "];
    for (const scopes of [[], odd]) {
      // Who asks for runs has minted none: making one is no right of a token's.
      expect(await ask(await signedToken(scopes))).toBe(403);
    }
  });
});

const ofKeys =
  /schedules|envvars|deployments|auth\/|idempotencyKeys|queues\/\{queue\}\/|\/tags$|\/reschedule$/;
test.each(
  routes.filter(([method, path]) => ofKeys.test(path) || (method === "PUT" && /metadata/.test(path))),
)("%s %s is closed to a public token with every scope, and to one that says admin", async (method, path) => {
  const { id } = (await trigger(key)).body;
  for (const scopes of [everything, ["admin"]]) {
    const body = method === "GET" ? undefined : "{}";
    expect(await statusOf(await signedToken(scopes), method, filled(path, id), body)).toBe(403);
  }
});

test("a log that is followed ends with the token that opened it", async () => {
  const { id } = (await trigger(key)).body;
  const path = `/api/v1/runs/${id}/logs?follow=true`;
  const headers = { authorization: `Bearer ${await signedToken([`read:runs:${id}`])}` };
  const answer = await api.fetch(path, { headers });
  expect(answer.status).toBe(200);
  api.clock = () => Date.now() + 2 * 3_600_000;
  await expect(answer.text()).rejects.toThrow();
  api.clock = Date.now;
});
