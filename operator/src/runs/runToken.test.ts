import { SignJWT } from "jose";
import { expect, test } from "vitest";
import { type RunClaims, RunTokens } from "./runToken.ts";

const claims: RunClaims = {
  ns: "default",
  run: "hello",
  uid: "u1",
  attempt: 2,
  podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e",
  retry: { maxAttempts: 3, factor: 2, minTimeoutInMs: 1000, maxTimeoutInMs: 60_000, randomize: true },
  access: ["read:all"],
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
    .setExpirationTime("1h")
    .sign(key);
  expect(await tokens.verify(other)).toBeUndefined();
  expect(await tokens.verify("")).toBeUndefined();
});

test("a token's text without its signature names the whole token, and no other text does", async () => {
  const tokens = new RunTokens("k".repeat(64));
  const token = await tokens.sign(claims);
  const text = token.slice(0, token.lastIndexOf("."));
  expect(tokens.whole(text)).toMatchObject({ token, claims });
  const link = await new SignJWT({ ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .setAudience("fairlead-objects")
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode("k".repeat(64)));
  for (const wrong of [link.slice(0, link.lastIndexOf(".")), "", "a.b", text.slice(0, -3)])
    expect(tokens.whole(wrong)).toBeUndefined();
});

test("a token that has expired, or never would, is refused", async () => {
  const key = new TextEncoder().encode("k".repeat(64));
  const unsigned = () =>
    new SignJWT({ ...claims }).setProtectedHeader({ alg: "HS256" }).setAudience("fairlead-engine");
  const tokens = new RunTokens("k".repeat(64));
  expect(await tokens.verify(await unsigned().setExpirationTime("1m").sign(key))).toEqual(claims);
  expect(await tokens.verify(await unsigned().setExpirationTime("-1s").sign(key))).toBeUndefined();
  expect(await tokens.verify(await unsigned().sign(key))).toBeUndefined();
});
