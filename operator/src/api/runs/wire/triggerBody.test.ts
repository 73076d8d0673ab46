import { describe, expect, it } from "vitest";
import { z } from "zod";
import { parseExact } from "../../../lib/exactJson.ts";
import { triggerFields } from "../../../model/run/triggerFields.ts";
import { taskRunFields } from "../../../model/schema/taskRunFields.ts";
import { check } from "../../http/input.ts";
import { Problem } from "../../http/problem.ts";
import { payloadOf, specOf, triggerBody, triggerOptions } from "./triggerBody.ts";

const now = Date.UTC(2026, 0, 1);
const spec = (options: object) => specOf(triggerOptions.parse(options), now);

describe("trigger options", () => {
  const cases: [string, object, object][] = [
    ["no option", {}, {}],
    ["a delay as duration", { delay: "1h30m" }, { delayUntil: "2026-01-01T01:30:00.000Z" }],
    ["a delay as date", { delay: "2026-02-01T00:00:00.000Z" }, { delayUntil: "2026-02-01T00:00:00.000Z" }],
    ["a delay in the past, which is none", { delay: "2020-01-01T00:00:00Z" }, {}],
    ["a ttl", { ttl: "10m" }, { ttlSeconds: 600 }],
    ["a ttl in seconds", { ttl: 90 }, { ttlSeconds: 90 }],
    ["a ttl of zero, which disables it", { ttl: 0 }, { ttlSeconds: 0 }],
    ["a queue by its name", { queue: "mail" }, { queue: { name: "mail" } }],
    [
      "a queue with a limit",
      { queue: { name: "mail", concurrencyLimit: 3 } },
      { queue: { name: "mail", concurrencyLimit: 3 } },
    ],
    [
      "a queue without a limit",
      { queue: { name: "mail", concurrencyLimit: null } },
      { queue: { name: "mail" } },
    ],
    ["a number as key", { concurrencyKey: 7 }, { concurrencyKey: "7" }],
    ["one tag", { tags: "a" }, { tags: ["a"] }],
    ["tags twice and empty ones", { tags: ["a", "", "a", "b"] }, { tags: ["a", "b"] }],
    ["no maximum duration", { maxDuration: 2_147_483_647 }, { maxDurationSeconds: 31_536_000 }],
    ["metadata as text", { metadata: '{"a":1}', metadataType: "application/json" }, { metadata: { a: 1 } }],
    [
      "a lifetime of a key",
      { idempotencyKey: "k", idempotencyKeyTTL: "60s" },
      { idempotencyKey: "k", idempotencyKeyTTLSeconds: 60 },
    ],
    [
      "any other option",
      { priority: 10, maxAttempts: 2, machine: "small-2x", test: true, lockToVersion: "abc" },
      { priority: 10, maxAttempts: 2, machine: "small-2x", test: true, version: "abc" },
    ],
  ];
  it.each(cases)("%s becomes the spec's fields", (_what, options, expected) =>
    expect(spec(options)).toEqual(expected),
  );

  it.each([
    [{ ttl: "2030-01-01T00:00:00Z" }, 422, /options\.ttl.*a date is not allowed/],
    [{ ttl: -1 }, 422, /options\.ttl/],
    [{ ttl: "60" }, 422, /options\.ttl: "60"/],
    ...["soon", "60", "24", "1y", "1h ", "0s", "10000d"].map(
      (idempotencyKeyTTL): [object, number, RegExp] => [
        { idempotencyKey: "k", idempotencyKeyTTL },
        422,
        /options\.idempotencyKeyTTL: "/,
      ],
    ),
    [{ region: "eu" }, 422, /options\.region: not supported/],
    [{ tags: ["a\ud800"] }, 422, /options\.tags: has half of a surrogate pair/],
    [{ metadata: { a: ["\udc00"] } }, 422, /options\.metadata: has half of a surrogate pair/],
    ...[null, [1], "text", 5].map((metadata): [object, number, RegExp] => [
      { metadata, metadataType: "text/plain" },
      422,
      /options\.metadata: not an object/,
    ]),
    [
      {
        metadata: '{"json":{"d":"x"},"meta":{"values":{"d":["Date"]}}}',
        metadataType: "application/super+json",
      },
      422,
      /options\.metadata: has types/,
    ],
    [{ delay: "tomorrow" }, 422, /options\.delay: "tomorrow"/],
    [{ delay: "9000000000000s" }, 422, /options\.delay/],
    [{ delay: 1e15 }, 422, /options\.delay/],
    [{ tags: Array.from({ length: 11 }, (_, i) => `t${i}`) }, 422, /options\.tags: 11 tags, at most 10/],
    [{ tags: ["x".repeat(129)] }, 422, /options\.tags: .*128 characters/],
    [{ metadata: { text: "x".repeat(300_000) } }, 413, /options\.metadata.*262144/],
  ])("%j is refused with the option's name", (options, status, message) => {
    expect(() => spec(options)).toThrow(Problem);
    try {
      spec(options);
    } catch (error) {
      expect(error).toMatchObject({ status, message: expect.stringMatching(message) });
    }
  });

  it.each([
    [{ queue: { name: "q", concurrencyLimit: 0 } }, "options.queue"],
    [{ machine: "huge" }, "options.machine"],
    [{ maxAttempts: 0 }, "options.maxAttempts"],
    [{ maxDuration: 1 }, "options.maxDuration"],
    [{ priority: 0.4 }, "options.priority"],
    [{ concurrencyKey: null }, "options.concurrencyKey"],
    [{ concurrencyKey: { tenant: 1 } }, "options.concurrencyKey"],
    [{ concurrencyKey: true }, "options.concurrencyKey"],
    [{ payloadType: "text/plain\r\nx: y" }, "options.payloadType"],
    [{ payloadType: "text/plain; n=名" }, "options.payloadType"],
  ])("%j does not fit the schema, and the field is named", (options, path) => {
    const parsed = triggerBody.safeParse({ options });
    expect(parsed.error?.issues.map((issue) => issue.path.join("."))).toEqual([
      expect.stringContaining(path),
    ]);
  });
});

it("each option of the client sets a field of the spec, or is handled apart from it", () => {
  const apart = [
    "payloadType",
    "payloadSize",
    "metadataType",
    "idempotencyKeyOptions",
    "resumeParentOnCompletion",
    ...["region", "concurrency", "gates", "externalDeploymentId", "bulkActionId"],
    ...["parentRunId", "parentAttempt", "parentBatch", "dependentAttempt", "dependentBatch"],
  ];
  const ofFields = Object.values(triggerFields).flatMap((row) => ("option" in row ? [row.option] : []));
  expect(Object.keys(triggerOptions.shape).sort()).toEqual([...ofFields, ...apart].sort());
});

describe("a field that a trigger does not have", () => {
  it.each([
    [{ options: { delya: "1m" } }, /^options: "delya" is not a known field: use delay$/],
    [
      { options: { queue: { name: "a", limit: 3 } } },
      /^options\.queue: "limit" is not a known field: use name, conc/,
    ],
    [
      { options: { debounce: { key: "a", delay: "1s", max: "2s" } } },
      /^options\.debounce: "max" is not a known/,
    ],
    [{ options: { idempotencyKeyOptions: { scoep: "run" } } }, /use scope$/],
    [{ name: "Ada" }, /^body: "name" is not a known field: use payload, options$/],
    [{ paylod: 1 }, /^body: "paylod" is not a known field: use payload$/],
  ])("%j is refused with 422, and what may be meant is named", (body, message) => {
    expect(() => check(triggerBody, body, "body")).toThrow(
      expect.objectContaining({ status: 422, message: expect.stringMatching(message) }),
    );
  });
});

/** Both as JSON Schema, by the option's path there and the field's path here. */
describe("the API's bound of a field is the resource's", () => {
  const schemaOf = (schema: z.ZodType): Json =>
    z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Json;
  const option = schemaOf(triggerOptions);
  const field = schemaOf(z.object(taskRunFields));
  it.each([
    ["concurrencyKey.anyOf.0", "concurrencyKey"],
    ["idempotencyKey", "idempotencyKey"],
    ["queue.anyOf.0", "queue.properties.name"],
    ["queue.anyOf.1.properties.name", "queue.properties.name"],
    ["queue.anyOf.1.properties.concurrencyLimit.anyOf.0", "queue.properties.concurrencyLimit"],
    ["maxAttempts", "maxAttempts"],
    ["maxDuration.anyOf.1", "maxDurationSeconds"],
    ["machine", "machine"],
    ["priority", "priority"],
    ["lockToVersion", "version"],
    ["payloadType", "payloadType"],
    ["debounce.properties.key", "debounce.properties.key"],
  ])("%s, %s", (ofOption, ofField) => {
    const found = boundsAt(option, ofOption);
    expect(found).toEqual(boundsAt(field, ofField));
    expect(Object.keys(found)).not.toEqual([]);
  });
});

type Json = { [key: string]: unknown };
const boundKeys = ["minLength", "maxLength", "pattern", "minimum", "maximum", "enum"];
function boundsAt(schema: Json, path: string): Json {
  const found = path.split(".").reduce<Json>((at, key) => at[key] as Json, schema.properties as Json);
  return Object.fromEntries(boundKeys.flatMap((key) => (key in found ? [[key, found[key]]] : [])));
}

describe("the payload of a trigger", () => {
  it("a payload is the text that the client serialized, or JSON", () => {
    expect(payloadOf(undefined)).toEqual({ type: "application/json" });
    expect(payloadOf({ a: 1 })).toEqual({ text: '{"a":1}', type: "application/json" });
    expect(payloadOf("hi", { payloadType: "text/plain" })).toEqual({ text: "hi", type: "text/plain" });
    const text = '{"json":{"a":1}}';
    expect(payloadOf(text, { payloadType: "application/super+json" })).toEqual({
      text,
      type: "application/super+json",
    });
    expect(payloadOf("p/1", { payloadType: "application/store" })).toEqual({
      type: "application/store",
      storagePath: "p/1",
    });
  });

  it("numbers of a JSON payload keep their text", () => {
    const text = '{"id":3544790567247868102,"f":1.0,"z":-0,"e":1e400}';
    expect(payloadOf(parseExact(text))).toMatchObject({ text });
    expect(payloadOf(null)).toMatchObject({ text: "null" });
  });

  it("half of a surrogate pair is kept in JSON, which escapes it, and refused in text", () => {
    expect(payloadOf("\ud800")).toMatchObject({ text: '"\\ud800"' });
    expect(() => payloadOf("\ud800", { payloadType: "text/plain" })).toThrow(/payload: has half/);
  });

  it("a payload of more than 10 MB is refused with both sizes", () => {
    expect(() => payloadOf("x".repeat(10 * 1024 * 1024))).toThrow(
      /payload: 10485762 bytes, at most 10485760/,
    );
  });
});
