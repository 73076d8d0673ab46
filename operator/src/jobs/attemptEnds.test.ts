import type { V1Pod } from "@kubernetes/client-node";
import { describe, expect, test } from "vitest";
import { isForWantOfRoom } from "../model/run/retry.ts";
import { endOfContainer } from "./attemptEnd.ts";
import { attemptEnds, endRowOf, type Source } from "./attemptEnds.ts";
import { observePod } from "./podObserver.ts";

const time = "2026-01-01T00:00:10Z";
const [before, after] = ["2026-01-01T00:00:05Z", "2026-01-01T00:00:20Z"];

const pod = (status: object, metadata: object = {}): V1Pod =>
  ({ metadata, spec: { containers: [] }, status }) as unknown as V1Pod;
const target = (reason: string, lastTransitionTime = after) => ({
  conditions: [{ type: "DisruptionTarget", status: "True", reason, message: "m", lastTransitionTime }],
});
const exits = (exitCode: number, reason = "Error", message = "", over: object = {}) => ({
  containerStatuses: [
    { name: "main", state: { terminated: { exitCode, reason, message, finishedAt: time } }, ...over },
  ],
});
const ended = (exitCode: number, reason?: string, message?: string) => ({
  phase: exitCode === 0 ? "Succeeded" : "Failed",
  ...exits(exitCode, reason, message),
});
const refusal = (reason: string, message = "Pod was rejected: no") => ({ phase: "Failed", reason, message });
const deleted = { deletionTimestamp: after, deletionGracePeriodSeconds: 15 };

/** I: the infrastructure's, R: for want of room, U: the policy's, N: never again, M: memory. */
type Class = "I" | "R" | "U" | "N" | "M" | "TimedOut" | "Completed";

function classOf(status: object, metadata?: object, kind: "container" | "task" = "container"): Class {
  const seen = observePod(pod(status, metadata));
  if (seen.state !== "ended") throw new Error(seen.state);
  const { outcome, reason, retryable } = endOfContainer({ kind }, seen.end);
  if (outcome === "Infrastructure") return isForWantOfRoom(reason) ? "R" : "I";
  if (outcome === "TimedOut" || outcome === "Completed") return outcome;
  if (reason === "OOMKilled") return "M";
  return retryable ? "U" : "N";
}

const fullHeap = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory";
const lowOn = "The node was low on resource: memory. Container main was using 900Mi, request is 64M";

test.each<[title: string, expected: Class, status: object, metadata?: object]>([
  ["refused for cpu", "R", refusal("OutOfcpu")],
  ["refused for a device", "R", refusal("OutOfnvidia.com/gpu")],
  ["refused under pressure", "R", refusal("Evicted", "The node had condition: [DiskPressure]. ")],
  ["refused by NUMA", "R", refusal("TopologyAffinityError")],
  ["refused by a device plugin", "I", refusal("UnexpectedAdmissionError")],
  ["refused by its node's labels", "I", refusal("NodeAffinity")],
  ["refused by a taint", "I", refusal("TaintToleration")],
  ["refused at shutdown", "I", refusal("NodeShutdown")],
  ["refused for an unknown reason", "I", refusal("SomethingNew")],
  ["refused for a sysctl", "N", refusal("SysctlForbidden")],
  ["refused for its cores", "N", refusal("SMTAlignmentError")],

  [
    "evicted for the node's memory",
    "I",
    { ...ended(137), reason: "Evicted", message: lowOn, ...target("TerminationByKubelet") },
  ],
  [
    "evicted for its emptyDir",
    "N",
    { ...ended(137), reason: "Evicted", message: 'Usage of EmptyDir volume "v" exceeds the limit "1Gi". ' },
  ],
  [
    "evicted for its disk",
    "N",
    {
      ...ended(137),
      reason: "Evicted",
      message: "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
    },
  ],
  [
    "evicted for its log",
    "N",
    {
      ...ended(143),
      reason: "Evicted",
      message: 'Container main exceeded its local ephemeral storage limit "1Gi". ',
    },
  ],
  [
    "evicted although it exited with 0 then",
    "I",
    { ...exits(0), phase: "Failed", reason: "Evicted", message: lowOn },
  ],
  [
    "preempted by the kubelet",
    "I",
    { ...ended(137), reason: "Preempting", ...target("TerminationByKubelet") },
  ],
  ["preempted by the scheduler", "I", { ...ended(143), ...target("PreemptionByScheduler", before) }],
  [
    "ended by a node that shuts down",
    "I",
    { ...ended(143), reason: "Terminated", ...target("TerminationByKubelet") },
  ],
  ["drained", "I", { ...ended(143), ...target("EvictionByEvictionAPI", before) }, deleted],
  [
    "collected with its node",
    "I",
    {
      phase: "Failed",
      containerStatuses: [{ name: "main", state: { running: {} } }],
      ...target("DeletionByPodGC"),
    },
  ],
  ["deleted while it ran", "I", ended(143), deleted],
  ["disrupted by something new", "I", { ...ended(1), ...target("Meteor", before) }],
  ["done before it was drained", "Completed", { ...ended(0), ...target("EvictionByEvictionAPI") }, deleted],
  [
    "done although its node shuts down",
    "Completed",
    { ...ended(0), reason: "Terminated", ...target("TerminationByKubelet") },
  ],
  ["failed before it was drained", "U", { ...ended(3), ...target("EvictionByEvictionAPI") }],
  ["failed before it was deleted", "U", ended(3), { ...deleted, deletionGracePeriodSeconds: 5 }],

  ["done", "Completed", ended(0, "Completed")],
  ["done while a child was out of memory", "Completed", ended(0, "OOMKilled")],
  ["done, and no more is known", "Completed", { phase: "Succeeded" }],
  ["out of memory", "M", ended(137, "OOMKilled")],
  ["out of memory with another code", "M", ended(1, "OOMKilled")],
  ["a full heap as process 1", "M", ended(139, "Error", fullHeap)],
  ["a full heap elsewhere", "M", ended(134, "Error", `${fullHeap}\n 1: 0xe1 node`)],
  ["a full heap by a trap", "M", ended(133, "Error", "Fatal JavaScript out of memory: x")],
  ["a segmentation fault", "U", ended(139)],
  ["a trap", "U", ended(133)],
  ["killed", "U", ended(137)],
  ["a node's reboot", "I", ended(255, "Unknown")],
  ["its own 255", "U", ended(255, "Error")],
  ["a container that the kubelet lost", "I", ended(137, "ContainerStatusUnknown")],
  [
    "a container that it lost, in lastState only",
    "I",
    {
      phase: "Failed",
      containerStatuses: [
        {
          name: "main",
          state: { waiting: { reason: "ContainerCreating" } },
          lastState: { terminated: { exitCode: 137, reason: "ContainerStatusUnknown" } },
        },
      ],
    },
  ],
  ["no exit code yet", "I", ended(-1, "")],
  [
    "a command that is none",
    "N",
    ended(128, "StartError", 'exec: "nope": executable file not found in $PATH'),
  ],
  ["a command that may not be executed", "N", ended(128, "StartError", "exec: permission denied")],
  ["a variable with U+0000", "N", ended(128, "StartError", "invalid argument")],
  [
    "a node without processes",
    "I",
    ended(128, "StartError", "fork/exec runc: resource temporarily unavailable"),
  ],
  ["a node without cgroups", "I", ended(128, "StartError", "unable to apply cgroup configuration")],
  ["the same from dockershim", "N", ended(127, "ContainerCannotRun", "no such file or directory")],
  ["an image for another CPU", "N", ended(1, "Error", "exec /app: exec format error")],
  ["too many variables", "N", ended(1, "Error", "exec /nodejs/bin/node: argument list too long")],
  ["a log that only speaks of it", "U", ended(3, "Error", "exec format error")],
  ["126", "U", ended(126)],
  ["127", "U", ended(127)],
  ["a system call that is not allowed", "N", ended(159)],
  ["the same in CRI-O's words", "N", ended(159, "seccomp killed")],
  ["options that Node.js refuses", "N", ended(9, "Error", "node: --bogus is not allowed in NODE_OPTIONS")],
  ["its own 9", "U", ended(9)],
  ["the pod's deadline", "TimedOut", { ...ended(143), reason: "DeadlineExceeded" }],
  [
    "an init container that a webhook added",
    "I",
    {
      phase: "Failed",
      initContainerStatuses: [{ name: "istio-init", state: { terminated: { exitCode: 1 } } }],
      containerStatuses: [{ name: "main", state: { waiting: { reason: "PodInitializing" } } }],
    },
  ],
])("an attempt that ended as %s is of class %s", (_title, expected, status, metadata) => {
  expect(classOf(status, metadata)).toBe(expected);
});

test("a task's runner that its node asked to stop, and not Fairlead, is the infrastructure's", () => {
  const mark = JSON.stringify({
    v: 1,
    attempt: 1,
    podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e",
    startedAt: time,
    outcome: "stopping",
    stoppingAt: time,
  });
  for (const code of [1, 137, 143]) expect(classOf(ended(code, "Error", mark), {}, "task")).toBe("I");
});

test("what the container's end leaves open is decided by the pod's phase", () => {
  const first = observePod(pod({ phase: "Running", ...exits(137) }));
  expect(first).toMatchObject({ state: "ended", provisional: true });
  const second = observePod(pod({ ...ended(137), reason: "Evicted", ...target("TerminationByKubelet") }));
  expect(second).not.toHaveProperty("provisional");
});

describe("the tables", () => {
  const sources = Object.keys(attemptEnds) as Source[];

  test("each has a last row for what is unknown, which is never the user's; a container's exit code decides", () => {
    for (const source of sources) {
      const row = endRowOf(source, { reason: "Meteor", message: "", exitCode: 77 });
      expect(String(row?.verdict), source).toMatch(source === "container" ? /^undefined$/ : /^(again|room)$/);
    }
  });

  test("each row for want of room of an attempt that ended is known as such", () => {
    for (const source of ["refused", "takenAway"] as const)
      for (const { verdict, reason, shown } of attemptEnds[source]) {
        const word = reason.source.replace(/^\^/, "").replace(/\$$/, "");
        const example = word === "OutOf" ? "OutOfcpu" : word;
        expect(isForWantOfRoom(example), shown).toBe(verdict === "room");
      }
  });
});
