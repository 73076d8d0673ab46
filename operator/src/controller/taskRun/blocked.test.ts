import { expect, test } from "vitest";
import { KubeError } from "../../kube/client/kubeError.ts";
import { newRun } from "../../model/run/testEvents.ts";
import { whyBlocked } from "./blocked.ts";
import { UnknownKeyError } from "./duplicates.ts";

const refusal = (status: number, message: string) =>
  new KubeError({ method: "PATCH", path: "/taskqueues/q", status, reason: "Forbidden", message });

test.each([
  [
    "a missing right",
    refusal(403, 'User "c" cannot patch resource'),
    "Forbidden",
    /does not let the controller do/,
  ],
  [
    "a quota of the namespace",
    refusal(403, "exceeded quota: objects, requested: count/taskqueues=1"),
    "QuotaExceeded",
    /has a quota that does not allow .*exceeded quota: objects/,
  ],
  [
    "a bucket that does not answer",
    new UnknownKeyError("connect ECONNREFUSED"),
    "StorageUnavailable",
    /whether the run's name was used before/,
  ],
])("a run that cannot be admitted for %s says so", (_what, error, reason, message) => {
  expect(whyBlocked(newRun(), error)).toEqual({ reason, message: expect.stringMatching(message) });
});

test.each([refusal(500, "down"), refusal(409, "conflict"), new Error("a mistake of ours")])(
  "%s is tried again, and is no wait of its own",
  (error) => expect(whyBlocked(newRun(), error)).toBeUndefined(),
);
