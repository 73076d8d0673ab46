import fc from "fast-check";
import superjson from "superjson";
import { describe, expect, it, test } from "vitest";
import { decode, parseSuperJson } from "./decode.ts";
import { encode, maxDepth } from "./encode.ts";
import { NotEncodableError, TooLargeError } from "./errors.ts";

/** As it travels: text in between. */
const roundTrip = (value: unknown): unknown => {
  const { json, meta } = JSON.parse(JSON.stringify(encode(value, "value")));
  return decode(json, meta);
};
const refusal = (value: unknown): string => {
  try {
    encode(value, "output");
  } catch (error) {
    expect(error).toBeInstanceOf(NotEncodableError);
    return (error as Error).message;
  }
  throw new Error("it was encoded");
};
const sameType = (a: unknown, b: unknown): void => {
  expect(b).toEqual(a);
  expect(Object.prototype.toString.call(b)).toBe(Object.prototype.toString.call(a));
};

/** Any text, also U+0000 and half a surrogate pair; keys that other readers stumble over. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "\ud800", "a\udc00b", "\ufeff", "\u2028"),
);
const special = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "a.b",
  "a\\.b",
  "a\\",
  "",
  "0",
  "then",
  "json",
];
// Node 26.10 reads an escaped key as a backslash once it has seen an object with that key: V8's JSON.parse,
// not ours.
const key = fc.oneof(text, fc.constantFrom(...special)).filter((name) => !name.startsWith("\\"));
const numbers = fc.oneof(fc.double(), fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53 + 2));
const leaf = fc.oneof(
  text,
  numbers,
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
  fc.constantFrom(/a\/b./gu, /[/]/, new URL("https://ex.org/ü?a=b#c")),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.uint8Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
);
/** Objects with own keys of any name, `__proto__` included. */
const objectOf = (entries: [string, unknown][]): object => {
  const made = {};
  for (const [name, value] of entries)
    Object.defineProperty(made, name, { value, enumerable: true, writable: true, configurable: true });
  return made;
};
const { value: anything } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    tie("list"),
    tie("object"),
    tie("map"),
    tie("set"),
  ),
  list: fc.array(tie("value"), { maxLength: 5 }),
  object: fc.array(fc.tuple(key, tie("value")), { maxLength: 5 }).map(objectOf),
  map: fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 3 }).map((rows) => new Map(rows)),
  set: fc.array(tie("value"), { maxLength: 3 }).map((items) => new Set(items)),
}));

describe("what goes in comes out", () => {
  test("any nesting of the types of the table", () => {
    fc.assert(
      fc.property(anything, (value) => sameType(value, roundTrip(value))),
      { numRuns: 500 },
    );
  });

  it.each([
    ["Int8Array", new Int8Array([-1, 2])],
    ["Uint8ClampedArray", new Uint8ClampedArray([255])],
    ["Uint16Array", new Uint16Array([65535])],
    ["Int32Array", new Int32Array([-5])],
    ["Float32Array with what JSON lacks", new Float32Array([Number.NaN, -0, Number.NEGATIVE_INFINITY, 1.5])],
    ["BigUint64Array", new BigUint64Array([2n ** 64n - 1n])],
    ["part of a Buffer's memory", Buffer.from("xhix").subarray(1, 3)],
    ["an invalid Date", new Date(Number.NaN)],
  ])("%s", (_what, value) =>
    sameType(
      value,
      roundTrip({ value, at: new Date(0) }) && (roundTrip({ value }) as { value: unknown }).value,
    ),
  );

  it("a Buffer beside a Date is a Buffer, and the Date a Date", () => {
    const read = roundTrip({ bytes: Buffer.from("hi"), at: new Date(5) }) as { bytes: unknown; at: unknown };
    expect(Buffer.isBuffer(read.bytes)).toBe(true);
    expect(read).toEqual({ bytes: Buffer.from("hi"), at: new Date(5) });
  });

  it.each(["constructor", "prototype", "__proto__"])("the key %s beside and around a Date", (name) => {
    const value = { at: new Date(0), inner: objectOf([[name, { at: new Date(1), text: "x" }]]) };
    const read = roundTrip(value) as { inner: Record<string, unknown> };
    expect(Object.getOwnPropertyDescriptor(read.inner, name)?.value).toEqual({ at: new Date(1), text: "x" });
    expect(Object.getPrototypeOf(read.inner)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).text).toBeUndefined();
  });

  it("an error has its name, message, cause, errors and code", () => {
    const cause = Object.assign(new TypeError("inner"), { code: "ENOENT", at: new Date(0) });
    const read = roundTrip([new AggregateError([cause], "outer", { cause })]) as [
      Error & { errors: Error[] },
    ];
    expect(read[0]).toBeInstanceOf(Error);
    expect(read[0]).toMatchObject({ name: "AggregateError", message: "outer" });
    for (const inner of [read[0].cause, read[0].errors[0]]) {
      expect(inner).toBeInstanceOf(Error);
      expect(inner).toMatchObject({ name: "TypeError", message: "inner", code: "ENOENT", at: new Date(0) });
    }
  });

  it("references back, wherever they are", () => {
    const whole: Record<string, unknown> = { list: [], map: new Map(), set: new Set(), at: new Date(0) };
    (whole.list as unknown[]).push(whole, whole.list);
    (whole.map as Map<unknown, unknown>).set("up", whole).set(whole.list, 1).set("self", whole.map);
    (whole.set as Set<unknown>).add(1).add(whole).add(2).add(whole.set);
    const read = roundTrip(whole) as typeof whole;
    const list = read.list as unknown[];
    expect([list[0] === read, list[1] === list]).toEqual([true, true]);
    const map = read.map as Map<unknown, unknown>;
    expect([map.get("up") === read, map.get("self") === map, [...map.keys()].length]).toEqual([
      true,
      true,
      3,
    ]);
    expect(
      [...(read.set as Set<unknown>)].map((item) =>
        item === read ? "read" : item === read.set ? "set" : item,
      ),
    ).toEqual([1, "read", 2, "set"]);
  });
});

describe("changed as the documentation says", () => {
  class Money {
    cents = 5;
    at = new Date(0);
  }
  it.each([
    ["an instance of a class", new Money(), { cents: 5, at: new Date(0) }],
    ["what has a toJSON", { toJSON: () => ({ n: 1n }) }, { n: 1n }],
    ["a boxed value", [Object(1), Object("a"), Object(true)], [1, "a", true]],
    // biome-ignore lint/suspicious/noSparseArray: it is what is tested
    ["a hole", [1, , 3], [1, undefined, 3]],
    ["an object without a prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ["an array of a class", class extends Array {}.from([1]), [1]],
  ])("%s", (_what, value, expected) => expect(roundTrip({ value })).toEqual({ value: expected }));
});

describe("refused with its path and what would be right", () => {
  class Secret {
    #value = 1;
    get value(): number {
      return this.#value;
    }
  }
  const refused: [string, unknown, RegExp][] = [
    ["a function", () => 1, /is a function; leave it out/],
    ["a class", Secret, /is a function/],
    ["a symbol", Symbol("x"), /is a symbol; leave it out/],
    ["a forgotten await", Promise.resolve(1), /is a promise; await it/],
    // biome-ignore lint/suspicious/noThenProperty: it is what is tested
    ["a thenable", { then: () => {} }, /is a promise; await it/],
    ["an ArrayBuffer", new ArrayBuffer(4), /is an ArrayBuffer; pass new Uint8Array of it/],
    ["a SharedArrayBuffer", new SharedArrayBuffer(4), /is a SharedArrayBuffer/],
    ["a DataView", new DataView(new ArrayBuffer(4)), /is a DataView/],
    ["a Response", new Response("x"), /is a Response; read it/],
    ["a Request", new Request("http://a/"), /is a Request; read it/],
    ["a Blob", new Blob(["x"]), /is a Blob; read it/],
    ["Headers", new Headers({ a: "b" }), /is a Headers; pass Object.fromEntries/],
    ["FormData", new FormData(), /is a FormData/],
    ["URLSearchParams", new URLSearchParams("a=b"), /is an URLSearchParams|is a URLSearchParams/],
    ["a web stream", new ReadableStream(), /is a stream; read it/],
    ["a Node stream", process.stdout, /is a stream; read it/],
    ["a generator", (function* () {})(), /is a Generator; pass an array/],
    ["an iterator", new Map().keys(), /is a Map Iterator; pass an array/],
    ["a WeakMap", new WeakMap(), /is a WeakMap/],
    ["a WeakSet", new WeakSet(), /is a WeakSet/],
    ["a WeakRef", new WeakRef({}), /is a WeakRef/],
    ["an AbortSignal", new AbortController().signal, /is an? AbortSignal without a property/],
    [
      "an instance that shows nothing",
      new Secret(),
      /is a Secret without a property to send; give it a toJSON/,
    ],
    ["a boxed symbol", Object(Symbol("x")), /is a Symbol without a property/],
    ["a symbol as a key", { [Symbol("x")]: 1 }, /has the key Symbol\(x\)/],
    ["a revoked proxy", revoked(), /cannot be read: TypeError/],
  ];
  function revoked(): object {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }
  const around: [string, (value: unknown) => unknown, string][] = [
    ["alone", (value) => value, "output"],
    ["in an object", (value) => ({ a: { "b-c": value } }), 'output.a["b-c"]'],
    ["in a list", (value) => [0, [value]], "output[1][0]"],
    ["in a Map", (value) => new Map([["k", value]]), 'output.get("k")'],
    ["as a Map's key", (value) => new Map([[value, 1]]), "output.keys()[0]"],
    ["in a Set", (value) => ({ s: new Set([1, value]) }), "output.s.values()[1]"],
    ["in an error", (value) => Object.assign(new Error("x"), { config: value }), "output.config"],
    ["in a class", (value) => Object.assign(new (class A {})(), { f: value }), "output.f"],
    ["beside a Date", (value) => ({ at: new Date(), value }), "output.value"],
    ["behind a toJSON", (value) => ({ x: { toJSON: () => ({ value }) } }), "output.x.value"],
  ];
  for (const [where, wrap, path] of around)
    it.each(refused)(`%s ${where}`, (_what, value, problem) => {
      const message = refusal(wrap(value));
      expect(message).toMatch(problem);
      expect(message.startsWith(`${path}: `)).toBe(true);
    });

  it("a getter that throws, a toJSON that throws", () => {
    const getter = {
      get total(): number {
        throw new Error("not loaded");
      },
    };
    expect(refusal({ a: getter })).toBe("output.a.total: cannot be read: Error: not loaded");
    const toJSON = (): void => {
      throw new Error("no date");
    };
    expect(refusal([{ toJSON }])).toBe("output[0].toJSON(): throws Error: no date");
  });

  it("nesting without end", () => {
    const endless = (): object => ({
      get next() {
        return endless();
      },
    });
    expect(refusal(endless())).toMatch(/^output\.next\.next.*…: is nested more than 1000 levels deep$/);
    let nested: unknown = new Date(0);
    for (let i = 0; i < maxDepth; i++) nested = i % 2 ? [nested] : { nested };
    expect(roundTrip(nested)).toEqual(nested);
    expect(refusal([nested])).toMatch(/nested more than 1000/);
  });

  it("shared objects that unfold to more than fits", () => {
    let shared: unknown = { at: new Date(0) };
    for (let i = 0; i < 100; i++) shared = [shared, shared];
    expect(() => encode(shared, "output", 100_000)).toThrow(TooLargeError);
  });

  it("a path of bounded length", () => {
    expect(refusal({ ["k".repeat(5000)]: () => 1 }).length).toBeLessThan(300);
  });
});

describe("the package superjson, which Trigger.dev's clients use", () => {
  const theirs = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.string({ unit: "binary" }),
      numbers,
      fc.constantFrom(null, undefined),
      fc.bigInt(),
      fc.date({ noInvalidDate: true }),
      fc.uint8Array(),
      fc.constant(/a\/b/g),
      fc.constant(new URL("https://ex.org/")),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(
        fc
          .string({ unit: "binary" })
          .filter((name) => !["__proto__", "constructor", "prototype"].includes(name)),
        tie("value"),
        { maxKeys: 4, noNullPrototype: true },
      ),
      fc.array(fc.tuple(fc.string(), tie("value")), { maxLength: 3 }).map((rows) => new Map(rows)),
      fc.array(tie("value"), { maxLength: 3 }).map((items) => new Set(items)),
    ),
  })).value;

  test("it reads what we write", () => {
    fc.assert(
      fc.property(theirs, (value) => {
        expect(superjson.parse(JSON.stringify(encode(value, "x")))).toEqual(value);
      }),
    );
  });
  test("we read what it writes", () => {
    fc.assert(
      fc.property(theirs, (value) => {
        expect(parseSuperJson(superjson.stringify(value))).toEqual(value);
      }),
    );
  });

  it("references back, both ways", () => {
    const value: Record<string, unknown> = { at: new Date(0), inner: { list: [] } };
    ((value.inner as { list: unknown[] }).list as unknown[]).push(value, value.inner);
    expect(parseSuperJson(superjson.stringify(value))).toEqual(value);
    expect(superjson.parse(JSON.stringify(encode(value, "x")))).toEqual(value);
  });

  it("a Buffer as Trigger.dev's clients and the package annotate it", () => {
    const bytes = [104, 105];
    expect(decode({ b: bytes }, { values: { b: [["custom", "buffer"]] } })).toEqual({ b: Buffer.from("hi") });
    expect(decode({ b: bytes }, { values: { b: [["typed-array", "Buffer"]] } })).toEqual({
      b: Buffer.from("hi"),
    });
  });
});

describe("annotations that no client writes", () => {
  it.each([
    ["an unknown type", { a: 1 }, { a: ["temporal"] }],
    ["a class", { a: 1 }, { a: [["class", "Money"]] }],
    ["a typed array that is none", { a: [1] }, { a: [["typed-array", "Function"]] }],
    ["a path that is not there", { a: 1 }, { "b.c": ["Date"] }],
    ["a path to a prototype", {}, { "__proto__.polluted": ["number"] }],
    ["a constructor", { a: {} }, { "a.constructor.prototype.polluted": ["number"] }],
  ])("%s is refused", (_what, json, values) => {
    expect(() => decode(json, { values, v: 1 })).toThrow(TypeError);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});
