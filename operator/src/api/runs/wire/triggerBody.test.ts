import { describe, expect, it } from "vitest";
import { triggerFields } from "../../../model/run/triggerFields.ts";
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
    ["a short maximum duration", { maxDuration: 1 }, { maxDurationSeconds: 5 }],
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
    [{ delay: "tomorrow" }, 422, /options\.delay: "tomorrow"/],
    [{ delay: "9000000000000s" }, 422, /options\.delay/],
    [{ delay: 1e15 }, 422, /options\.delay/],
    [{ tags: Array.from({ length: 11 }, (_, i) => `t${i}`) }, 422, /options\.tags: 11 tags, at most 10/],
    [{ tags: ["x".repeat(129)] }, 422, /options\.tags: .*128 characters/],
    [{ resumeParentOnCompletion: true }, 422, /options\.resumeParentOnCompletion/],
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
    "region",
    "parentRunId",
    "resumeParentOnCompletion",
    "concurrency",
    "externalDeploymentId",
  ];
  const ofFields = Object.values(triggerFields).flatMap((row) => ("option" in row ? [row.option] : []));
  expect(Object.keys(triggerOptions.shape).sort()).toEqual([...ofFields, ...apart].sort());
});

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

  it("a payload of more than 10 MB is refused with both sizes", () => {
    expect(() => payloadOf("x".repeat(10 * 1024 * 1024))).toThrow(
      /payload: 10485762 bytes, at most 10485760/,
    );
  });
});
