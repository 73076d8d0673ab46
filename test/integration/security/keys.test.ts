/** What opens nothing though it is an API key, what one with few rights may, and how one follows another. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
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

describe("a key", () => {
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  const keyOf = async (name: string, fields: Record<string, string>): Promise<string> => {
    const text = `tr_prod_${name}${letters}`;
    await api.setKey(`${namespace}.${name}`, { key: text, ...fields });
    return fields.key ?? text;
  };
  const known = (text: string) =>
    waitFor("the replica has read the Secret", async () => {
      const { status, body } = await send(text, "GET", "/api/v1/runs");
      return (status !== 401 || !/Invalid or Missing/.test(String(body.error))) && { status, body };
    });

  test.each([
    ["short", { key: "x" }, "has 1 random characters"],
    ["dull", { key: "tr_prod_00000000000000000000000000000000" }, "repeats a few characters"],
    ["over", { notAfter: "2020-01-01T00:00:00Z" }, "this time is over"],
    ["wrong", { scopes: "raed" }, '"raed" is none'],
  ])("that is %s opens nothing, and says why", async (name, fields, said) => {
    const text = await keyOf(name, fields);
    const { status, body } = await known(text);
    expect(status).toBe(401);
    expect(body.error).toContain(said);
    expect(await statusOf(await token(["read:runs"], {}, text), "GET", "/api/v1/runs")).toBe(401);
  });

  test("with rights has those alone, and the tokens that it signs have no more", async () => {
    const { id } = (await trigger(key)).body;
    const triggers = await keyOf("triggers", { scopes: "trigger" });
    const reads = await keyOf("reads", { scopes: "read" });
    await Promise.all([known(triggers), known(reads)]);
    const run = `/api/v3/runs/${id}`;
    const manage: [string, string, object?][] = [
      ["GET", `/api/v1/projects/p/envvars/${namespace}`],
      ["POST", `/api/v1/projects/p/envvars/${namespace}`, { name: "A", value: "b" }],
      ["GET", "/api/v1/schedules"],
      ["POST", "/api/v1/queues/a/pause", { type: "custom", action: "pause" }],
      ["POST", "/api/v1/idempotencyKeys/a/reset", { taskIdentifier: "echo" }],
    ];
    const signed = async (text: string) =>
      token(["admin", "read:all", "write:runs", "trigger:tasks"], {}, text);
    for (const bearer of [triggers, await signed(triggers)]) {
      expect((await trigger(bearer)).status).toBe(200);
      expect(await statusOf(bearer, "GET", run)).toBe(403);
      expect(await statusOf(bearer, "POST", `/api/v2/runs/${id}/cancel`)).toBe(403);
      expect(await statusOf(bearer, "POST", `/api/v1/runs/${id}/replay`, {})).toBe(403);
      for (const [method, path, body] of manage)
        expect(await statusOf(bearer, method, path, body), path).toBe(403);
    }
    for (const bearer of [reads, await signed(reads)]) {
      expect(await statusOf(bearer, "GET", run)).toBe(200);
      expect((await trigger(bearer)).status).toBe(403);
      for (const [method, path, body] of manage)
        expect(await statusOf(bearer, method, path, body), path).toBe(403);
    }
  });

  test("follows another: both count until the first ends, and its tokens end with it", async () => {
    const first = await keyOf("first", {});
    const second = await keyOf("second", {});
    await Promise.all([known(first), known(second)]);
    const browser = await token(["read:runs"], {}, first);
    expect(await statusOf(browser, "GET", "/api/v1/runs")).toBe(200);
    await api.setKey(`${namespace}.first`, { notAfter: new Date(Date.now() - 1).toISOString() });
    await waitFor("it has ended", async () => (await statusOf(first, "GET", "/api/v1/runs")) === 401);
    expect(await statusOf(browser, "GET", "/api/v1/runs")).toBe(401);
    expect(await statusOf(second, "GET", "/api/v1/runs")).toBe(200);
  });

  test("of several entries opens the namespace of the first one alone", async () => {
    const twice = await keyOf("twice", {});
    await known(twice);
    await api.setKey("kube-system.twice", { key: twice });
    const later = await keyOf("later", {});
    await known(later);
    const foreign = await token(["read:runs"], { sub: "kube-system" }, twice);
    expect(await statusOf(twice, "GET", "/api/v1/runs")).toBe(200);
    expect(await statusOf(foreign, "GET", "/api/v1/runs")).toBe(401);
  });
});
