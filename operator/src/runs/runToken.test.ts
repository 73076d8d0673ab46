import { SignJWT } from "jose";
import { expect, test } from "vitest";
import { type RunClaims, RunTokens } from "./runToken.ts";

const claims: RunClaims = {
  ns: "default",
  run: "hello",
  uid: "u1",
  attempt: 2,
  retry: { maxAttempts: 3, factor: 2, minTimeoutInMs: 1000, maxTimeoutInMs: 60_000, randomize: true },
};

test("a token that was signed here is read back", async () => {
  const tokens = new RunTokens("k".repeat(64));
  expect(await tokens.verify(await tokens.sign(claims))).toEqual(claims);
});

test("other keys, other audiences and an empty token are refused", async () => {
  const tokens = new RunTokens("k".repeat(64));
  expect(await tokens.verify(await new RunTokens("x".repeat(64)).sign(claims))).toBeUndefined();
  const key = new TextEncoder().encode("k".repeat(64));
  const other = await new SignJWT({ ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .setAudience("another-audience")
    .sign(key);
  expect(await tokens.verify(other)).toBeUndefined();
  expect(await tokens.verify("")).toBeUndefined();
});
