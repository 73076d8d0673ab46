import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { exportJWK, type JSONWebKeySet, SignJWT } from "jose";
import { beforeEach, describe, expect, test } from "vitest";
import { ClusterKeys } from "./clusterKeys.ts";

const pair = () => generateKeyPairSync("rsa", { modulusLength: 2048 });
const [ours, next, foreign] = [pair(), pair(), pair()];
const audience = "fairlead";

async function published(...keys: { kid: string; publicKey: KeyObject }[]): Promise<JSONWebKeySet> {
  const list = keys.map(async ({ kid, publicKey }) => ({
    ...(await exportJWK(publicKey)),
    kid,
    alg: "RS256",
  }));
  return { keys: await Promise.all(list) };
}
const signed = (
  { privateKey }: { privateKey: KeyObject },
  { kid = "a", aud = audience, exp = "1h" }: { kid?: string; aud?: string | string[]; exp?: string } = {},
): Promise<string> =>
  new SignJWT({ sub: "system:serviceaccount:team-a:default" })
    .setProtectedHeader({ alg: "RS256", kid })
    .setAudience(aud)
    .setExpirationTime(exp)
    .sign(privateKey);
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

let keys: ClusterKeys;
let answer: () => Promise<JSONWebKeySet>;
let reads: number;
let now: number;
beforeEach(() => {
  reads = 0;
  now = 0;
  answer = () => published({ kid: "a", publicKey: ours.publicKey });
  const serviceAccountKeys = () => {
    reads++;
    return answer();
  };
  keys = new ClusterKeys({ serviceAccountKeys }, () => now);
});
const claims = async (token: string | Promise<string>) => keys.claimsOf(await token, audience);

test("a token of the cluster for us is genuine, also when it is for others as well", async () => {
  expect(await claims(signed(ours))).toMatchObject({ sub: "system:serviceaccount:team-a:default" });
  expect(await claims(signed(ours, { aud: ["other", audience] }))).toBeDefined();
  expect(reads).toBe(1);
});

describe("a token is refused that", () => {
  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  const body = encode({ aud: audience, exp: inAnHour });
  const publicPem = createPublicKey(ours.privateKey).export({ type: "spki", format: "pem" });
  const hmac = `${encode({ alg: "HS256", kid: "a" })}.${body}`;
  test.each<[title: string, token: () => string | Promise<string>]>([
    ["another cluster signed", () => signed(foreign)],
    ["is for another audience", () => signed(ours, { aud: "https://kubernetes.default.svc" })],
    ["has expired", () => signed(ours, { exp: "-1s" })],
    [
      "never expires",
      () =>
        new SignJWT({ aud: audience }).setProtectedHeader({ alg: "RS256", kid: "a" }).sign(ours.privateKey),
    ],
    ["has no signature", () => `${encode({ alg: "none" })}.${body}.`],
    [
      "is signed with the public key as a secret",
      () => `${hmac}.${createHmac("sha256", publicPem).update(hmac).digest("base64url")}`,
    ],
    ["was changed", async () => (await signed(ours)).replace(/\.[^.]+\./, `.${body}.`)],
    ["is no token", () => "x"],
    ["is empty", () => ""],
  ])("%s", async (_title, token) => {
    expect(await claims(token())).toBeUndefined();
    expect(reads).toBe(1);
  });
});

test("a rotated key is read when a token names it; names that nobody has are asked for once in a while", async () => {
  await claims(signed(ours));
  answer = () => published({ kid: "a", publicKey: ours.publicKey }, { kid: "b", publicKey: next.publicKey });
  now += 10_000;
  expect(await claims(signed(next, { kid: "b" }))).toBeDefined();
  expect(await claims(signed(ours))).toBeDefined();
  expect(reads).toBe(2);
  for (const kid of ["c", "d", "e"]) expect(await claims(signed(foreign, { kid }))).toBeUndefined();
  expect(reads).toBe(2);
});

test("keys that could not be read are an error, and are read again by the next call", async () => {
  answer = () => Promise.reject(new Error("the API server is away"));
  await expect(claims(signed(ours))).rejects.toThrow("away");
  answer = () => published({ kid: "a", publicKey: ours.publicKey });
  expect(await claims(signed(ours))).toBeDefined();
});
