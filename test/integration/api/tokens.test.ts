/** Public tokens: what each one permits. Made by our SDK, by the official one, and forged. */
import { auth, batch, configure, tasks } from "@fairlead/sdk";
import * as official from "@trigger.dev/sdk";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { ApiReplica, key, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  configure({ baseURL: api.url, secretKey: key });
  official.configure({ baseURL: api.url, secretKey: key });
});
afterAll(() => api?.stop());

const as = <T>(accessToken: string, work: () => Promise<T>): Promise<T> =>
  auth.withAuth({ accessToken }, work);
const runCount = async (): Promise<number> => (await api.client.list(TaskRuns, namespace)).items.length;

const makers = [
  ["our SDK", auth],
  ["the official SDK", official.auth],
] as const;

describe.each(makers)("tokens made by %s", (_name, maker) => {
  test("a trigger token triggers its task once, however often it is used", async () => {
    const token = await maker.createTriggerPublicToken("echo");
    const before = await runCount();
    const first = await as(token, () => tasks.trigger("echo", { n: 1 }));
    const second = await as(token, () => tasks.trigger("echo", { n: 2 }));
    expect(second.id).toBe(first.id);
    expect(await runCount()).toBe(before + 1);
    // The same signature, encoded differently.
    const spelt = `${token}=`;
    await as(spelt, () => tasks.trigger("echo", {})).catch(() => undefined);
    expect(await runCount()).toBe(before + 1);
    const free = { idempotencyKey: "k" };
    await expect(as(token, () => tasks.trigger("echo", {}, free))).rejects.toThrow(/single-use token/);
  });

  test("a trigger token for several tasks makes one run in all, and no batch", async () => {
    const token = await maker.createTriggerPublicToken(["echo", "mail"]);
    const before = await runCount();
    const first = await as(token, () => tasks.trigger("echo", {}));
    expect((await as(token, () => tasks.trigger("mail", {}))).id).toBe(first.id);
    expect(await runCount()).toBe(before + 1);
    await expect(as(token, () => tasks.batchTrigger("echo", [{ payload: 1 }]))).rejects.toMatchObject({
      status: 403,
    });
  });

  test("a trigger token triggers no other task and reads nothing", async () => {
    const token = await maker.createTriggerPublicToken(["echo", "mail"], { multipleUse: true });
    const ids = [
      await as(token, () => tasks.trigger("echo", {})),
      await as(token, () => tasks.trigger("mail", {})),
      await as(token, () => tasks.trigger("mail", {})),
    ].map(({ id }) => id);
    expect(new Set(ids).size).toBe(3);
    await expect(as(token, () => tasks.trigger("other", {}))).rejects.toMatchObject({ status: 403 });
    await expect(as(token, () => batch.retrieve("batch_x"))).rejects.toMatchObject({ status: 403 });
  });

  test("a trigger token for batches accepts items of its tasks only", async () => {
    const token = await maker.createBatchTriggerPublicToken("echo", { multipleUse: true });
    const made = await as(token, () => tasks.batchTrigger("echo", [{ payload: 1 }, { payload: 2 }]));
    expect(made.runCount).toBe(2);
    const items = [
      { id: "echo", payload: 1 },
      { id: "other", payload: 2 },
    ];
    await expect(as(token, () => batch.trigger(items))).rejects.toThrow(
      /lacks the scope batchTrigger:tasks:other/,
    );
    await expect(as(token, () => tasks.trigger("echo", {}))).rejects.toMatchObject({ status: 403 });
  });
});

test("a token that may write a run makes no other of it; with the right to trigger, once if it is for one use", async () => {
  const { id } = await tasks.trigger("echo", { secret: 1 });
  const replay = async (claims: object) => {
    const token = await new SignJWT({ pub: true, sub: namespace, ...claims })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer("https://id.trigger.dev")
      .setAudience("https://api.trigger.dev")
      .setExpirationTime("1h")
      .sign(new TextEncoder().encode(key));
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answers = [];
    for (let n = 0; n < 2; n++)
      answers.push(await api.fetch(`/api/v1/runs/${id}/replay`, { method: "POST", headers, body: "{}" }));
    return answers;
  };
  const before = await runCount();
  const refused = await replay({ scopes: [`write:runs:${id}`] });
  expect(refused.map(({ status }) => status)).toEqual([403, 403]);
  expect(await runCount()).toBe(before);
  const [once, again] = await replay({ scopes: [`write:runs:${id}`, "trigger:tasks:echo"], otu: true });
  expect(once?.headers.get("x-trigger-jwt")).toBeNull();
  expect(await again?.json()).toEqual(await once?.json());
  expect(await runCount()).toBe(before + 1);
});

test("what a client stored is no page of the API's origin", async () => {
  const path = "/api/v2/packets/trigger/packet_html/payload.json";
  const auth = { authorization: `Bearer ${key}` };
  const { presignedUrl } = (await (await api.fetch(path, { method: "PUT", headers: auth })).json()) as {
    presignedUrl: string;
  };
  const headers = { "content-type": "text/html" };
  expect((await fetch(presignedUrl, { method: "PUT", headers, body: "<script>1</script>" })).ok).toBe(true);
  const read = await api.fetch(path.replace("v2", "v1"), { headers: auth });
  const got = await fetch(((await read.json()) as { presignedUrl: string }).presignedUrl);
  expect(await got.text()).toBe("<script>1</script>");
  expect(got.headers.get("content-disposition")).toBe("attachment");
  expect(got.headers.get("x-content-type-options")).toBe("nosniff");
  expect(got.headers.get("content-security-policy")).toContain("sandbox");
});

test("a token to read runs triggers nothing", async () => {
  const token = await auth.createPublicToken({ scopes: { read: { runs: true } }, expirationTime: "1h" });
  await expect(as(token, () => tasks.trigger("echo", {}))).rejects.toMatchObject({ status: 403 });
  await expect(as(token, () => tasks.batchTrigger("echo", [{ payload: 1 }]))).rejects.toMatchObject({
    status: 403,
  });
});

test("a token to read runs uploads nothing, and reads no payload of other runs", async () => {
  const token = await auth.createPublicToken({ scopes: { read: { runs: true } } });
  for (const [method, path] of [
    ["PUT", "/api/v2/packets/trigger/packet_x/payload.json"],
    ["PUT", "/api/v1/packets/packet_x"],
    ["GET", "/api/v1/packets/trigger/packet_x/payload.json"],
  ] as const) {
    const response = await api.fetch(path, { method, headers: { authorization: `Bearer ${token}` } });
    expect(response.status, path).toBe(403);
  }
});

test("a web page of another origin may send what its token allows", async () => {
  const headers = { origin: "https://app.example", "access-control-request-headers": "authorization, x-a" };
  const preflight = await fetch(`${api.url}/api/v3/runs/run_x`, { method: "OPTIONS", headers });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization, x-a");
  const answer = await api.fetch("/api/v1/runs", { headers: { origin: "https://app.example" } });
  expect(answer.headers.get("access-control-allow-origin")).toBe("*");
});

test("an upload without a signed link is refused unread", async () => {
  let pulled = 0;
  const body = new ReadableStream({
    pull(stream) {
      pulled++;
      if (pulled > 100) stream.close();
      else stream.enqueue(new Uint8Array(1_000_000));
    },
  });
  const init = { method: "PUT", body, duplex: "half" } as RequestInit;
  const response = await fetch(`${api.url}/objects/not-a-link`, init).catch(() => undefined);
  if (response) expect(response.status).toBe(403);
});

test("a token expires at its expiry time", async () => {
  const scopes = { read: { runs: true } } as const;
  const soon = new Date(Date.now() + 60_000);
  const token = await auth.createPublicToken({ scopes, expirationTime: soon });
  const { exp } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
    exp: number;
  };
  expect(exp).toBe(Math.floor(soon.getTime() / 1000));
  const past = new Date(Date.now() - 60_000);
  await expect(auth.createPublicToken({ scopes, expirationTime: past })).rejects.toThrow(/expirationTime/);
  const tenYears = new Date(Date.now() + 10 * 365 * 86_400_000);
  for (const expirationTime of [tenYears, "999999y", "53 weeks"])
    await expect(auth.createPublicToken({ scopes, expirationTime })).rejects.toThrow(/next year/);
});

describe("invalid tokens", () => {
  const token = (claims: object, secret = key, algorithm = "HS256") =>
    new SignJWT({ pub: true, scopes: ["trigger:tasks"], sub: namespace, ...claims })
      .setProtectedHeader({ alg: algorithm })
      .setIssuer("https://id.trigger.dev")
      .setAudience("https://api.trigger.dev")
      .setExpirationTime("1h")
      .sign(new TextEncoder().encode(secret));
  const unsigned = async () => {
    const [, payload] = (await token({})).split(".");
    return `${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`;
  };
  test.each<[string, () => Promise<string>]>([
    ["signed with another key", () => token({}, "tr_prod_other")],
    ["not signed at all", unsigned],
    ["signed by another algorithm", () => token({}, key.padEnd(64, "x"), "HS512")],
    ["for another namespace", () => token({ sub: "kube-system" })],
    ["that is not a public one", () => token({ pub: false })],
    ["without scopes", () => token({ scopes: undefined })],
  ])("a token %s is refused", async (_what, make) => {
    const accessToken = await make();
    await expect(as(accessToken, () => tasks.trigger("echo", {}))).rejects.toMatchObject({ status: 401 });
  });
});
