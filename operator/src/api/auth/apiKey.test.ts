import { describe, expect, it } from "vitest";
import { apiKeyOf } from "./apiKey.ts";

const random = "0123456789abcdefghijklmnopqrstuv";
const fields = { key: `tr_prod_${random}`, namespace: "staging" };

describe("a Secret of an API key", () => {
  it.each<[string, Record<string, string>, object]>([
    ["with the least that is needed", {}, { ...fields, name: "one" }],
    ["with a line end, as files have it", { key: `${fields.key}\n` }, { key: fields.key }],
    ["in base64", { key: "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=" }, { namespace: "staging" }],
    [
      "with rights",
      { scopes: "trigger read" },
      { scopes: ["trigger:tasks", "batchTrigger:tasks", "read:all"] },
    ],
    [
      "with scopes",
      { scopes: "read:tasks:mail,\nwrite:runs" },
      { scopes: ["read:tasks:mail", "write:runs"] },
    ],
    ["that manages", { scopes: "manage" }, { scopes: ["admin"] }],
    ["with an end", { notAfter: "2030-12-24T18:00:00Z" }, { notAfter: Date.UTC(2030, 11, 24, 18) }],
  ])("%s counts", (_what, more, read) => expect(apiKeyOf("one", { ...fields, ...more })).toMatchObject(read));

  it.each<[Record<string, string>, string]>([
    [{ key: "" }, "key: there is none"],
    [{ key: " " }, "key: there is none"],
    [{ key: "x" }, "key: has 1 random characters: at least 32"],
    [{ key: random.slice(1) }, "key: has 31 random"],
    [{ key: `tr_prod_${random.slice(1)}` }, "key: has 31 random"],
    [{ key: `tr_prod_sk_${random.slice(1)}` }, "key: has 31 random"],
    [{ key: "0".repeat(64) }, "key: repeats a few"],
    [{ key: `tr_prod_${"abc".repeat(20)}` }, "key: repeats a few"],
    [{ key: `a.b.${random}` }, "key: has other characters"],
    [{ key: `${random} ${random}` }, "key: has other characters"],
    [{ key: `${random}ü` }, "key: has other characters"],
    [{ namespace: "" }, "namespace: "],
    [{ namespace: "*" }, "namespace: "],
    [{ namespace: "a/b" }, "namespace: "],
    [{ namespace: "kube-system,default" }, "namespace: "],
    [{ scopes: "" }, "scopes: empty"],
    [{ scopes: " \n" }, "scopes: empty"],
    [{ scopes: "raed" }, 'scopes: "raed" is none'],
    [{ scopes: "read manage:all" }, 'scopes: "manage:all" is none'],
    [{ scopes: "*" }, 'scopes: "*" is none'],
    [{ scopes: "read:runs:" }, 'scopes: "read:runs:" is none'],
    [{ notAfter: "" }, "notAfter: "],
    [{ scope: "read" }, '"scope" is no field of a key'],
    [{ notAfter: "soon" }, "notAfter: "],
    [{ notAfter: "2030-12-24" }, "notAfter: "],
  ])("%j opens nothing", (more, said) =>
    expect(apiKeyOf("one", { ...fields, ...more })).toEqual(expect.stringContaining(said)),
  );
});
