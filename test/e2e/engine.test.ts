/**
 * The calls of a pod about its attempt, on a real cluster: what whoever may read its spec can do, and what
 * its token can. test/integration/security/podIdentity.test.ts has the refusals.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { withForward } from "../../hack/start/run.ts";
import { Jobs, Pods } from "../../operator/src/kube/resources.ts";
import { loadObject } from "../support/release/bucket.ts";
import { shell } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

const secret = "what-only-the-run-may-read";

let ns: TestNamespace;
let podName: string;
let podUid: string;
/** The pod's. */
let token: string;
beforeAll(async () => {
  ns = await TestNamespace.create("engine");
  await ns.startRun("held", {
    payload: { secret },
    ...shell("sleep 600"),
    podTemplate: { terminationGracePeriodSeconds: 1 },
  });
  await ns.untilPhase("held", "Executing");
  const [pod] = await ns.list(Pods, "fairlead.dev/run=held");
  podName = pod?.metadata?.name ?? "";
  podUid = pod?.metadata?.uid ?? "";
  token = (await ns.kubectl("exec", podName, "--", "sh", "-c", 'cat "$FAIRLEAD_TOKEN_FILE"')).trim();
});
afterAll(() => ns?.remove());

interface Answer {
  status: number;
  body: { error?: string; phase?: string; url?: string; key?: string; token?: string; payload?: unknown };
}

const call = (method: string, path: string, body?: unknown, bearer = token): Promise<Answer> =>
  withForward("api", 80, async (url) => {
    const answer = await fetch(`${url}/engine/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? {} : JSON.parse(text) };
  });

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

test("nothing in the specs of a Job and its pod is the payload, or opens anything", async () => {
  const [job] = await ns.list(Jobs, "fairlead.dev/run=held");
  const [pod] = await ns.list(Pods, "fairlead.dev/run=held");
  const text = JSON.stringify([job?.spec, job?.metadata, pod?.spec, pod?.metadata]);
  expect(text).not.toContain(secret);
  expect(text).not.toMatch(/eyJ|X-Amz-Signature|Bearer/);
  const values = pod?.spec?.containers.flatMap(({ env = [] }) => env.map(({ value }) => value ?? "")) ?? [];
  for (const value of values) expect((await call("GET", "/attempt", undefined, value)).status).toBe(401);
});

test.each<[string, string, () => unknown, number, string]>([
  ["a report on another attempt", "/attempt/report", () => report({ attempt: 2 }), 400, "attempt"],
  [
    "another pod's report",
    "/attempt/report",
    () => report({ podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e" }),
    400,
    "podUid",
  ],
  [
    "an output that is too big",
    "/attempt/output",
    () => ({ size: 2 ** 30, type: "text/plain" }),
    413,
    "size",
  ],
  ["a start without a time", "/attempt/start", () => ({ startedAt: "now" }), 400, "startedAt"],
  ["an unknown path", "/attempts", () => ({}), 404, "/engine/v1/attempts"],
])("%s is refused", async (_what, path, body, status, message) => {
  const answer = await call("POST", path, body());
  expect(answer.body.error).toContain(message);
  expect(answer.status).toBe(status);
  expect((await ns.loadRun("held")).status?.phase).toBe("Executing");
});

test("the pod's token gets the payload and a token of the attempt, which settles the run once", async () => {
  const start = await call("POST", "/attempt/start", { startedAt: new Date().toISOString() });
  expect(start).toMatchObject({ status: 200, body: { payload: { text: JSON.stringify({ secret }) } } });
  const own = start.body.token;
  expect(await call("GET", "/attempt", undefined, own)).toMatchObject({ body: { phase: "Executing" } });
  const upload = await call("POST", "/attempt/output", { size: 2, type: "text/plain" }, own);
  expect(upload.body.key).toMatch(new RegExp(`^ns/${ns.name}/runs/held\\..*/attempts/1\\.${podUid}/output$`));
  expect(upload.body.url).toContain("X-Amz-Signature");

  expect((await call("POST", "/attempt/report", report(), own)).status).toBe(204);
  const status = await ns.untilFinished("held");
  expect(status).toMatchObject({ phase: "Completed", output: { n: 1 } });
  expect(await loadObject(status.outputRef?.key)).toBe('{"n": 1}');
  const late = report({ output: { type: "application/json", size: 1, data: "2" } });
  expect((await call("POST", "/attempt/report", late, own)).status).toBe(409);
  expect((await ns.loadRun("held")).status?.output).toEqual({ n: 1 });
  expect(await loadObject(status.outputRef?.key)).toBe('{"n": 1}');
  // It sleeps after its report, is stopped, and its log is captured.
  await ns.untilCaptured("held", 90_000);
});
