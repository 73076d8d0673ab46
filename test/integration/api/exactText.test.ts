/** What a client sends comes back as it was, through every way; what cannot be kept is refused by name. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseExact } from "../../../operator/src/lib/exactJson.ts";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type TaskRun } from "../../../operator/src/model/resources.ts";
import { readItems } from "../../../operator/src/storage/batchItems.ts";
import { writeHistory } from "../../../operator/src/storage/runHistory.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

const numbers =
  '{"id":3544790567247868102,"big":-123456789012345678901234567890,"d":0.1000000000000000055,"e":1e400,"f":1.0,"z":-0}';
/** Of these numbers, what a Kubernetes API server keeps: whole ones of 64 bits. */
const whole = '{"id":3544790567247868102,"min":-9223372036854775808}';

async function send(
  method: string,
  path: string,
  body: NonNullable<RequestInit["body"]>,
  type = "application/json",
): Promise<Answer> {
  const response = await api.fetch(path, { method, body, headers: { "content-type": type } });
  return { status: response.status, text: await response.text() };
}
interface Answer {
  status: number;
  text: string;
}
const trigger = (body: NonNullable<RequestInit["body"]>, type?: string) =>
  send("POST", "/api/v1/tasks/echo/trigger", body, type);
const idIn = ({ status, text }: Answer): string => {
  expect(status, text).toBe(200);
  return JSON.parse(text).id;
};
const read = async (id: string): Promise<string> => (await api.fetch(`/api/v3/runs/${id}`)).text();
const nameOf = (id: string): string => id.replace(/^run_/, "");
const runOf = async (id: string): Promise<TaskRun> => {
  const run = await api.client.get(TaskRuns, namespace, nameOf(id));
  if (!run) throw new Error(`${id} is not there`);
  return run;
};

describe("numbers keep their text", () => {
  test("the payload and the metadata of a trigger, in the resource, in answers and in history", async () => {
    const id = idIn(await trigger(`{"payload":${numbers},"options":{"metadata":${whole},"priority":1.0}}`));
    const run = await runOf(id);
    expect(run.spec).toMatchObject({ payloadData: numbers, priority: 1 });
    expect(await read(id)).toContain(`"payload":${numbers}`);
    expect(await read(id)).toContain(`"metadata":${whole}`);
    const retired = {
      ...run,
      status: { ...run.status, phase: "Completed" as const, output: parseExact(numbers) },
    };
    await writeHistory(api.store, retired);
    await api.client.delete(TaskRuns, namespace, run.metadata.name);
    const shown = await read(id);
    expect(shown).toContain(`"payload":${numbers}`);
    expect(shown).toContain(`"output":${numbers}`);
    expect(shown).toContain(`"metadata":${whole}`);
    expect((await (await api.fetch(`/api/v1/runs/${id}/result`)).json()) as object).toMatchObject({
      output: numbers,
    });
  });

  test("a payload that goes to the bucket", async () => {
    const text = `{"n":${numbers},"text":"${"x".repeat(10_000)}"}`;
    const id = idIn(await trigger(`{"payload":${text}}`));
    const { payloadRef } = (await runOf(id)).spec;
    const stored = await api.store.of(namespace).get(payloadRef?.key ?? "", { maxBytes: 20_000 });
    expect(Buffer.from(stored?.body ?? []).toString()).toBe(text);
    expect(await read(id)).toContain(`"payload":${text}`);
    const again = idIn(await send("POST", `/api/v1/runs/${id}/replay`, "{}"));
    expect(await read(again)).toContain(`"payload":${text}`);
  });

  test("the payload of a resource: whole numbers of 64 bits", async () => {
    const metadata = { name: "numbers", namespace };
    await api.client.create(TaskRuns, namespace, {
      apiVersion,
      kind: "TaskRun",
      metadata,
      spec: { task: "echo", payload: parseExact(whole) },
    });
    expect(JSON.stringify((await runOf("numbers")).spec.payload)).toBe(whole);
    expect(await read("run_numbers")).toContain(`"payload":${whole}`);
  });

  test("null as the payload of a resource, and inside of it", async () => {
    for (const [name, payload] of [
      ["null", "null"],
      ["nulls", '{"a":null,"b":[null]}'],
    ] as const) {
      const metadata = { name, namespace };
      const spec = { task: "echo", payload: JSON.parse(payload) };
      await api.client.create(TaskRuns, namespace, { apiVersion, kind: "TaskRun", metadata, spec });
      expect(await read(`run_${name}`)).toContain(`"payload":${payload}`);
    }
  });

  test("the items of a batch, streamed and in one body", async () => {
    const created = JSON.parse((await send("POST", "/api/v3/batches", '{"runCount":2}')).text);
    const lines = [0, 1].map((index) => `{"index":${index},"task":"echo","payload":${numbers}}\n`);
    const streamed = await send(
      "POST",
      `/api/v3/batches/${created.id}/items`,
      lines.join(""),
      "application/x-ndjson",
    );
    expect(streamed.status, streamed.text).toBe(200);
    const whole = await send(
      "POST",
      "/api/v2/tasks/batch",
      `{"items":[{"task":"echo","payload":${numbers}}]}`,
    );
    for (const id of [created.id, idIn(whole)]) {
      const batch = await api.client.get(TaskBatches, namespace, id.replace("batch_", ""));
      if (!batch) throw new Error("no batch");
      for await (const { item } of readItems(api.store, batch)) expect(item?.payloadData).toBe(numbers);
    }
  });

  test("operations on metadata", async () => {
    const id = idIn(await trigger(`{"payload":1,"options":{"metadata":${whole}}}`));
    const operations = `{"operations":[{"type":"increment","key":"id","value":1},{"type":"append","key":"list","value":9007199254740993}]}`;
    const { text } = await send("PUT", `/api/v1/runs/${id}/metadata`, operations);
    const list = '"list":[9007199254740993]';
    const [id1, min] = ['"id":3544790567247868103', '"min":-9223372036854775808'];
    expect(text).toBe(`{"metadata":{${id1},${min},${list}}}`);
    // The API server sorts the names.
    const stored = await (await api.fetch(`/api/v1/runs/${id}/metadata`)).text();
    expect(stored).toBe(`{"metadata":{${id1},${list},${min}}}`);
  });
});

describe("a body that cannot be read as it was meant is refused", () => {
  test.each([
    ["text/plain", 415, /^Content-Type: "text\/plain" is not application\/json/],
    ["application/x-www-form-urlencoded", 415, /^Content-Type/],
    ["application/jsonx", 415, /^Content-Type/],
    ["application/x-ndjson", 415, /^Content-Type/],
    ["application/json; charset=iso-8859-1", 415, /charset iso-8859-1/],
    ["application/json; charset=utf-16", 415, /charset utf-16/],
  ])("the type %s", async (type, status, message) => {
    const answer = await trigger('{"payload":1}', type);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text).error).toMatch(message);
  });

  test.each([
    [
      "bytes that are no UTF-8",
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      400,
      /^body: not valid UTF-8/,
    ],
    ["text that is no JSON", "{payload: 1}", 400, /^body: not valid JSON/],
    ["null", "null", 400, /^body: expected object/],
    ["a list", "[1]", 400, /^body: expected object/],
    [
      "a number that no integer field can hold",
      '{"options":{"priority":9007199254740993}}',
      400,
      /options\.priority/,
    ],
    [
      "a number that is nested too deeply to be kept exactly",
      `{"payload":${"[".repeat(200_000)}1.0${"]".repeat(200_000)}}`,
      400,
      /nested too deeply/,
    ],
    [
      "a payload type that no header can carry",
      '{"payload":"x","options":{"payloadType":"a/b\\r\\nc: d"}}',
      400,
      /payloadType/,
    ],
  ])("%s", async (_what, body, status, message) => {
    const answer = await trigger(body);
    expect(answer.status, answer.text).toBe(status);
    expect(JSON.parse(answer.text).error).toMatch(message);
  });

  test("an item whose line is no UTF-8", async () => {
    const { id } = JSON.parse((await send("POST", "/api/v3/batches", '{"runCount":1}')).text);
    const line = Buffer.concat([
      Buffer.from('{"index":0,"task":"echo","payload":"'),
      Buffer.from([0xff]),
      Buffer.from('"}\n'),
    ]);
    const answer = await send("POST", `/api/v3/batches/${id}/items`, line, "application/x-ndjson");
    expect(answer).toMatchObject({ status: 400, text: expect.stringContaining("not valid UTF-8") });
  });

  test("a byte order mark and an explicit UTF-8 are fine", async () => {
    idIn(await trigger('\ufeff{"payload":1}'));
    idIn(await trigger('{"payload":1}', "application/json; charset=UTF-8"));
  });

  test.each([
    ["POST", "/api/v1/tasks/echo/trigger", '{"options":{"delya":"1m"}}', "use delay"],
    ["POST", "/api/v1/tasks/echo/trigger", '{"name":"Ada"}', "use payload, options"],
    ["POST", "/api/v3/batches", '{"runCount":1,"itmes":[]}', "is not a known field"],
    ["POST", "/api/v2/tasks/batch", '{"items":[{"task":"echo","paylod":1}]}', "use payload"],
    [
      "POST",
      "/api/v1/schedules",
      '{"task":"echo","cron":"0 9 * * *","deduplicationKey":"k","timezon":"UTC"}',
      "use timezone",
    ],
  ])("%s %s with %s", async (method, path, body, meant) => {
    const answer = await send(method, path, body);
    expect(answer.status, answer.text).toBe(422);
    expect(answer.text).toContain(meant);
  });
});
