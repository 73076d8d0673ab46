import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withForward } from "../../hack/start/run.ts";
import { Pods } from "../../operator/src/kube/resources.ts";
import { loadObject } from "../support/release/bucket.ts";
import { shell } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
let token: string;
let podUid: string;
beforeAll(async () => {
  ns = await TestNamespace.create("engine");
  await ns.startRun("held", { ...shell("sleep 600"), podTemplate: { terminationGracePeriodSeconds: 1 } });
  await ns.untilPhase("held", "Executing");
  const [pod] = await ns.list(Pods, "fairlead.dev/run=held");
  token = pod?.spec?.containers[0]?.env?.find((e) => e.name === "FAIRLEAD_RUN_TOKEN")?.value ?? "";
  podUid = pod?.metadata?.uid ?? "";
});
afterAll(() => ns?.remove());

async function call(
  method: string,
  path: string,
  body?: unknown,
  bearer = token,
): Promise<{ status: number; body: { error?: string; phase?: string; url?: string; key?: string } }> {
  return withForward("api", 80, async (url) => {
    const answer = await fetch(`${url}/engine/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? {} : JSON.parse(text) };
  });
}

const report = (over: object = {}) => ({
  v: 1,
  attempt: 1,
  podUid,
  outcome: "completed",
  output: { type: "application/json", size: 8, data: '{"n": 1}' },
  startedAt: new Date().toISOString(),
  finishedAt: new Date().toISOString(),
  ...over,
});

describe("invalid requests of a runner", () => {
  test("a token with another signature is refused", async () => {
    const forged = `${token.slice(0, -4)}AAAA`;
    expect((await call("GET", "/attempt", undefined, forged)).status).toBe(401);
    expect((await call("GET", "/attempt", undefined, "")).status).toBe(401);
  });

  test.each<[string, string, () => unknown, number, string]>([
    ["a text that is not JSON", "/attempt/report", () => "{", 400, "JSON"],
    ["a report without an outcome", "/attempt/report", () => report({ outcome: undefined }), 400, "outcome"],
    ["a report on another attempt", "/attempt/report", () => report({ attempt: 2 }), 400, "attempt"],
    [
      "another pod's report",
      "/attempt/report",
      () => report({ podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e" }),
      409,
      "not under way",
    ],
    [
      "a pod's uid that is a path",
      "/attempt/report",
      () => report({ podUid: "/../../team-b/x" }),
      400,
      "podUid",
    ],
    [
      "another namespace's object as output",
      "/attempt/report",
      () => report({ output: { type: "text/plain", size: 1, key: "ns/other/secret" } }),
      400,
      "output.key",
    ],
    [
      "an output that is too big",
      "/attempt/output",
      () => ({ podUid, size: 2 ** 30, type: "text/plain" }),
      413,
      "size",
    ],
    [
      "a body that is too big",
      "/attempt/report",
      () => report({ junk: "x".repeat(100_000) }),
      413,
      "too large",
    ],
    ["a start without a time", "/attempt/start", () => ({ podUid, startedAt: "now" }), 400, "startedAt"],
    ["an unknown path", "/attempts", () => ({}), 404, "/engine/v1/attempts"],
  ])("%s is refused", async (_what, path, body, status, message) => {
    const answer = await call("POST", path, body());
    expect(answer.body.error).toContain(message);
    expect(answer.status).toBe(status);
    expect((await ns.loadRun("held")).status?.phase).toBe("Executing");
  });
});

test("the runner API returns the phase, and a URL that accepts the output", async () => {
  expect(await call("GET", "/attempt")).toMatchObject({ status: 200, body: { phase: "Executing" } });
  const answer = await call("POST", "/attempt/output", { podUid, size: 2, type: "text/plain" });
  expect(answer.body.key).toMatch(new RegExp(`^ns/${ns.name}/runs/held\\..*/attempts/1\\.${podUid}/output$`));
  expect(answer.body.url).toContain("X-Amz-Signature");
});

test("a report settles the run once, and its output is in the bucket", async () => {
  expect((await call("POST", "/attempt/report", report())).status).toBe(204);
  const status = await ns.untilFinished("held");
  expect(status).toMatchObject({ phase: "Completed", output: { n: 1 } });
  expect(await loadObject(status.outputRef?.key)).toBe('{"n": 1}');
  const late = await call(
    "POST",
    "/attempt/report",
    report({ output: { type: "application/json", size: 1, data: "2" } }),
  );
  expect(late.status).toBe(409);
  expect((await ns.loadRun("held")).status?.output).toEqual({ n: 1 });
  expect(await loadObject(status.outputRef?.key)).toBe('{"n": 1}');
  // It sleeps after its report, is stopped, and its log is captured.
  await ns.untilCaptured("held", 90_000);
});
