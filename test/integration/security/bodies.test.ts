/** Bodies that cost more than their bytes, sent to a replica whose heap is that of a container of 768 MiB. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { publicToken } from "../../../operator/src/api/auth/auth.ts";
import { ApiProcess, other } from "../../support/servers/apiProcess.ts";
import { key, namespace } from "../../support/servers/apiReplica.ts";

const heapMiB = 562;
const requests = 20;
const mebibyte = 1024 * 1024;

let api: ApiProcess;
let reader: string;
beforeAll(async () => {
  api = await ApiProcess.start(heapMiB);
  reader = await publicToken({ key, namespace }, ["read:runs:run_x"]);
  await waitFor("the other namespace's key counts", async () => (await neighbour()) === 200);
});
afterAll(() => api?.stop());

function post(path: string, token: string, body: RequestInit["body"], headers: Record<string, string> = {}) {
  const all = { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers };
  return fetch(api.url + path, { method: "POST", headers: all, body });
}

async function neighbour(): Promise<number> {
  return (await post("/api/v1/tasks/echo/trigger", other.key, "{}")).status;
}

const trigger = "/api/v1/tasks/echo/trigger";
const small = (part: string, bytes: number): string =>
  `{"payload":[${part.repeat(Math.floor((bytes - 20) / part.length))}0]}`;
const many = small("{},", 23 * mebibyte);
const packed = gzipSync(many);
const zipped = { "content-encoding": "gzip" };

describe.each<[title: string, send: () => Promise<Response>, statuses: number[]]>([
  ["compressed, with a token to read", () => post(trigger, reader, packed, zipped), [403]],
  ["compressed, with a key", () => post(trigger, key, packed, zipped), [415]],
  ["large, with a token to read", () => post(trigger, reader, many), [403]],
  ["of many objects", () => post(trigger, key, many), [413, 429]],
  ["of many lists", () => post(trigger, key, small("[],", 23 * mebibyte)), [413, 429]],
  ["of many numbers", () => post(trigger, key, small("1.0,", 23 * mebibyte)), [413, 429]],
  ["large, where no payload comes", () => post("/api/v1/runs/run_x/tags", key, many), [404, 413]],
  ["for a batch, with a token to read", () => post("/api/v2/tasks/batch", reader, many), [403]],
])("20 bodies at once, %s", (_title, send, statuses) => {
  test("are refused, and another namespace's trigger is accepted meanwhile", async () => {
    const hostile = Promise.all(Array.from({ length: requests }, send));
    const accepted = [await neighbour(), await neighbour(), await neighbour()];
    const answers = (await hostile).map(({ status }) => status);
    expect(answers.filter((status) => !statuses.includes(status))).toEqual([]);
    expect(accepted).toEqual([200, 200, 200]);
    expect(api.isAlive).toBe(true);
  });
});

test("a refusal says what is wrong and what would be right", async () => {
  const compressed = await post(trigger, key, packed, zipped);
  expect(await compressed.json()).toEqual({ error: expect.stringMatching(/"gzip" is not supported: send/) });
  const values = await post(trigger, key, many);
  expect(await values.json()).toEqual({ error: expect.stringMatching(/more than \d+ values: .*upload/) });
});

test("an honest payload of 9 MB is accepted", async () => {
  const answer = await post(trigger, key, JSON.stringify({ payload: "x".repeat(9_000_000) }));
  expect(answer.status).toBe(200);
});
