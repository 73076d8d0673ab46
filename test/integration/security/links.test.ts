/** Links to payloads and outputs, and what the log says of those who ask. */
import { decodeJwt } from "jose";
import type { Logger } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RawCalls, signedToken } from "../../support/rawCalls.ts";
import { ApiReplica, key, namespace } from "../../support/servers/apiReplica.ts";

const calls = new RawCalls();
const { send, trigger } = calls;
const lines: Record<string, unknown>[] = [];
let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  await api.kill();
  const keep = (fields: object, what: string) => lines.push({ ...fields, what });
  api.log = { debug() {}, info: keep, warn() {}, error() {} } as unknown as Logger;
  await api.listen();
  calls.api = api;
});
afterAll(() => api?.stop());

const path = "/api/v2/packets/trigger/packet_1/payload.json";
const linkFor = async (bearer: string, headers = {}): Promise<URL> =>
  new URL(String((await send(bearer, "PUT", path, undefined, headers)).body.presignedUrl));

test("a link ends with the token that got it, and that of a key within an hour", async () => {
  const now = Math.floor(Date.now() / 1000);
  const endOf = (url: URL) => (decodeJwt(url.pathname.slice("/objects/".length)).exp ?? 0) - now;
  const short = await signedToken(["trigger:tasks"], { exp: now + 60 });
  expect(endOf(await linkFor(short))).toBeLessThanOrEqual(62);
  expect(endOf(await linkFor(key))).toBeGreaterThan(3_000);
  expect(endOf(await linkFor(key))).toBeLessThanOrEqual(3_602);
});

test("a header that anybody can send does not say where a link leads", async () => {
  const headers = { "x-forwarded-host": "evil.example", "x-forwarded-proto": "https" };
  expect((await linkFor(key, headers)).origin).toBe(api.url);
});

test("the log says of each change which key, which token, what and from where; and no secret", async () => {
  const token = await signedToken(["trigger:tasks"]);
  const { id } = (await trigger(token, {}, { "x-request-id": "by-token" })).body;
  const variable = { name: "GREETING", value: "a-secret-value" };
  const variables = `/api/v1/projects/p/envvars/${namespace}`;
  await send(key, "POST", variables, variable, { "x-request-id": "by-key" });
  await send(token, "POST", `/api/v2/runs/${id}/cancel`, {}, { "x-request-id": "refused" });
  const line = (requestId: string) => lines.find((one) => one.requestId === requestId);
  const from = expect.stringMatching(/127\.0\.0\.1$/);
  const byToken = {
    what: "change",
    key: "fairlead-api-key",
    token: expect.stringMatching(/^[0-9a-f]{12}$/),
    from,
  };
  expect(line("by-token")).toMatchObject({ ...byToken, run: id, namespace });
  expect(line("by-key")).toMatchObject({
    what: "change",
    key: "fairlead-api-key",
    from,
    variables: ["GREETING"],
  });
  expect(line("refused")).toMatchObject({ what: "request", status: 403, token: line("by-token")?.token });
  expect(lines).toContainEqual(
    expect.objectContaining({ what: "an API key counts", apiKey: "fairlead-api-key" }),
  );
  const text = JSON.stringify(lines);
  for (const secret of [key, token, variable.value]) expect(text).not.toContain(secret);
});
