import { SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { KubeError } from "../../kube/client/client.ts";
import type { Caller } from "../http/caller.ts";
import { problemOf } from "../http/problem.ts";
import { authenticate, publicToken } from "./auth.ts";
import { may } from "./rights.ts";

const own = { name: "first", key: "tr_prod_x", namespace: "staging" };
const limited = { ...own, name: "limited", key: "tr_prod_l", scopes: ["trigger:tasks"], notAfter: 1 };
const keys = {
  find: (key: string) => [own, limited].find((known) => known.key === key),
  of: (namespace: string) => (namespace === own.namespace ? [own, limited] : []),
  refusal: (key: string) => (key === "short" ? "key: has 5 random characters" : undefined),
};

/** No attempts here: test/integration/security/attemptAccess.test.ts. */
const attempts = {
  isOne: () => false,
  of: () => Promise.reject(new Error("no attempt's")),
  keyOf: (namespace: string) => ({ name: "attempts", key: "of-attempts", namespace }),
  signer: () => undefined,
};

async function caller(token: string | undefined, watched?: string[]): Promise<unknown> {
  const request = { get: () => (token === undefined ? undefined : `Bearer ${token}`) };
  const response = { locals: {} as { caller?: unknown } };
  await authenticate(keys, attempts, watched)(request as never, response as never, () => undefined);
  return response.locals.caller;
}

const tokenWith = (
  change: (token: SignJWT) => SignJWT,
  key = own.key,
  times: { exp?: number } = { exp: 4_000_000_000 },
): Promise<string> =>
  change(
    new SignJWT({ pub: true, scopes: [], ...times })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer("https://id.trigger.dev")
      .setAudience("https://api.trigger.dev")
      .setSubject("staging"),
  ).sign(new TextEncoder().encode(key));

describe("a caller", () => {
  it("a key and its public tokens open their namespace", async () => {
    expect(await caller(own.key)).toMatchObject({ namespace: "staging" });
    expect(await caller(await publicToken(own, ["read:runs"]), ["staging"])).toMatchObject({
      namespace: "staging",
      scopes: ["read:runs"],
    });
  });

  it("a token has no rights, and no time, that its key lacks, and is told from every other", async () => {
    const tokens = [await publicToken(limited, ["admin"]), await publicToken(limited, ["admin"])];
    const callers = (await Promise.all(tokens.map((token) => caller(token)))) as Caller[];
    for (const one of callers) {
      expect(one).toMatchObject({ kind: "publicToken", keyName: "limited", expiresAt: 1, isOneTime: false });
      expect(may(one, "trigger", { tasks: "a" })).toBe(true);
      expect(may(one, "read", { runs: "run_a" })).toBe(false);
    }
    expect(callers[0]?.tokenHash).not.toBe(callers[1]?.tokenHash);
  });

  it.each<[string, () => Promise<string | undefined>, number, RegExp]>([
    ["a short key", async () => "short", 401, /^The API key does not count, key: has 5 random characters/],
    ["no key", async () => undefined, 401, /^Invalid or Missing API key$/],
    ["an unknown key", async () => "tr_prod_y", 401, /^Invalid or Missing API key$/],
    ["a token of another key", () => tokenWith((t) => t, "tr_prod_y"), 401, /^Invalid or Missing API key$/],
    [
      "an expired token",
      () => tokenWith((t) => t.setExpirationTime(1)),
      401,
      /^The public token has expired/,
    ],
    [
      "an expired token of another key",
      () => tokenWith((t) => t.setExpirationTime(1), "z"),
      401,
      /^Invalid or/,
    ],
    ["a token that never expires", () => tokenWith((t) => t, own.key, {}), 401, /claim "exp" is wrong/],
    ["a token for another API", () => tokenWith((t) => t.setAudience("x")), 401, /not for this API.*"aud"/],
  ])("%s is refused with its own sentence", async (_what, make, status, message) => {
    await expect(caller(await make())).rejects.toMatchObject({
      status,
      message: expect.stringMatching(message),
    });
  });

  it("a key of a namespace that the release does not watch is refused as such, without a retry", async () => {
    await expect(caller(own.key, ["prod"])).rejects.toMatchObject({
      status: 403,
      retry: false,
      message: expect.stringMatching(/staging, which this release does not watch/),
    });
  });
});

describe("what the API server says of the caller's namespace", () => {
  const error = (status: number, message: string) =>
    new KubeError({ method: "POST", path: "/x", status, reason: "R", message });
  it.each([
    [404, 'namespaces "no-such-ns" not found', /namespace no-such-ns, which does not exist/],
    [403, "unable to create new content in namespace a because it is being terminated", /is being deleted/],
    [403, 'admission webhook "p.example.com" denied the request: no tags', /admission policy.*: no tags/],
    [403, 'taskruns "a" is forbidden: ValidatingAdmissionPolicy "p" denied request: no', /policy.*: no$/],
    [403, "forbidden: exceeded quota: runs, requested: 1, used: 5, limited: 5", /ResourceQuota.*limited: 5/],
  ])("%i %s is the client's to mend", (status, message, said) => {
    expect(problemOf(error(status, message))).toMatchObject({
      status: 403,
      retry: false,
      message: expect.stringMatching(said),
    });
  });

  it.each([
    [500, "etcd"],
    [403, "taskruns is forbidden: User system:serviceaccount cannot create"],
    [404, 'taskruns "x" not found'],
  ])("%i %s is not", (status, message) => expect(problemOf(error(status, message))).toBeUndefined());
});
