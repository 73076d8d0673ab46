import { expect, test } from "vitest";
import { KubeError } from "../../kube/client/kubeError.ts";
import { EpochError, FencedError } from "../../queue/scripts.ts";
import { whyClosed } from "./closed.ts";

const of = (error: unknown, ageMs = 5_000) =>
  whyClosed({ closed: () => ({ since: 0, error }) }, "team-a", ageMs);
const refusal = (status: number, reason: string) =>
  new KubeError({ method: "GET", path: "/p", status, reason, message: 'taskruns is forbidden: User "c"' });

test("what is open, or was closed a moment ago, is not told", () => {
  expect(whyClosed({ closed: () => undefined }, "team-a", 1e9)).toBeUndefined();
  expect(of(new Error("Connection is closed."), 4_999)).toBeUndefined();
});

test.each([
  [new Error("Connection is closed."), "Redis does not answer."],
  [new Error("Command timed out"), "Redis does not answer."],
  [new Error("Stream isn't writeable and enableOfflineQueue options is false"), "Redis does not answer."],
  [
    Object.assign(new Error("connect ECONNREFUSED 10.0.0.1:6379"), { syscall: "connect" }),
    "Redis does not answer.",
  ],
  [new Error("the connection to Redis closed"), "Redis does not answer."],
  [new Error("NOAUTH Authentication required."), "Redis refuses the controller's password or its rights."],
  [new Error("OOM command not allowed when used memory > 'maxmemory'."), "Redis takes no writes now (OOM)."],
  [
    new Error("READONLY You can't write against a read only replica."),
    "Redis takes no writes now (READONLY).",
  ],
  [new EpochError("EPOCH keys are missing"), "Redis lost its queues, which are being rebuilt."],
  [
    new FencedError("FENCED term 1 is over, term 2 leads"),
    "a later leader is known to Redis than the one that acts.",
  ],
  [new Error("namespace team-a belongs to release x"), "namespace team-a belongs to release x."],
  [
    refusal(403, "Forbidden"),
    'the controller may not read what its queues are rebuilt from: GET /p: 403 Forbidden: taskruns is forbidden: User "c".',
  ],
  [refusal(503, "ServiceUnavailable"), "the API server does not answer, and its queues cannot be rebuilt."],
  [undefined, "its queues are being rebuilt from its TaskRuns."],
])("%s", (error, says) => {
  expect(of(error)).toBe(says);
});
