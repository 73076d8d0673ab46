import fc from "fast-check";
import { expect, it } from "vitest";
import { ownFolder, ownName, withOwnKeys } from "./ownNames.ts";

const hash = (digit: string) => digit.repeat(64);

it("a name of a public token is no name of a key or of another token, whatever was chosen", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      const names = [
        ownName({ tokenHash: hash("1") }, a),
        ownName({ tokenHash: hash("2") }, a),
        ownName({}, a),
        ownName({}, b),
      ];
      expect(names[2]).toBe(a);
      expect(new Set(names).size).toBe(a === b ? 3 : 4);
      expect(ownName({ tokenHash: hash("1") }, a)).toBe(names[0]);
    }),
  );
});

it("folders of tokens are apart from each other and from those of keys", () => {
  expect(ownFolder({})).toBe("");
  expect(ownFolder({ tokenHash: hash("1") })).toBe(`~${"1".repeat(32)}/`);
});

it("options keep what they are, but for their keys", () => {
  const options = { idempotencyKey: "k", debounce: { key: "d", delay: "1s" }, ttl: "1h" };
  expect(withOwnKeys({}, options)).toBe(options);
  const ttlOnly: { ttl: string; idempotencyKey?: string } = { ttl: "1h" };
  const own = withOwnKeys({ tokenHash: hash("1") }, options);
  expect(own).toMatchObject({ ttl: "1h", debounce: { delay: "1s" }, idempotencyKeyOptions: { key: "k" } });
  expect([own.idempotencyKey, own.debounce.key]).not.toEqual(["k", "d"]);
  expect(withOwnKeys({ tokenHash: hash("1") }, ttlOnly)).toEqual({ ttl: "1h" });
});
