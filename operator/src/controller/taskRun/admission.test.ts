import { expect, test } from "vitest";
import { at } from "../../kube/manager/requeue.ts";
import type { Task, TaskRun } from "../../model/resources.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { accepted, admitted, ended, newRun, now, play, started } from "../../model/run/testEvents.ts";
import { type AdmissionView, decideAdmission, decideWaiting } from "./admission.ts";

const hour = 3600;
const second = (n: number): number => Date.parse(now) + n * 1000;

const task = { metadata: { name: "t", namespace: "n" }, spec: { id: "t", image: "i" } } as Task;
const version = { version: "v1", revision: "t-v1", isStored: true };
const queued = play(newRun(), accepted);
const withTtl = play(newRun({ task: "t", ttlSeconds: 60 }), accepted);
/** The next attempt is due after a second. */
const inBackoff = play(withTtl, admitted(1), started(1), ended(1, "Failed"));
const withoutTask = play(queued, { type: "Inadmissible", reason: "TaskNotFound", message: "none" });
const unstarted = play(withTtl, admitted(1), ended(1, "Infrastructure"));
const container = play(newRun({ container: { image: "i" } }), accepted);
const duplicate: RunEvent = {
  type: "Duplicate",
  original: { name: "first", uid: "u0" },
  phase: "Completed",
  message: "Used before.",
};

const rows: [
  title: string,
  run: TaskRun,
  seconds: number,
  known: Partial<AdmissionView>,
  expected: object,
][] = [
  ["takes a slot", queued, 1, { task, version }, { do: "takeSlot" }],
  [
    "takes a slot while fewer runs wait than may",
    queued,
    1,
    { task, version, waiting: { count: 1, limit: 2 } },
    { do: "takeSlot" },
  ],
  [
    "waits while as many runs wait for others as may",
    queued,
    1,
    { task, version, waiting: { count: 2, limit: 2 } },
    {
      event: {
        type: "Inadmissible",
        reason: "WaitingFull",
        message: expect.stringContaining("2 runs may wait"),
      },
      requeue: at(second(11)),
    },
  ],
  [
    "takes a slot at that bound when somebody waits for it",
    play(newRun({ task: "t", parent: { name: "p", uid: "pu", waits: true } }), accepted),
    1,
    { task, version, waiting: { count: 2, limit: 2 } },
    { do: "takeSlot" },
  ],
  ["takes a slot without a Task when it is an inline container", container, 1, {}, { do: "takeSlot" }],
  ["takes a slot until its ttl", withTtl, 59, { task, version }, { do: "takeSlot", requeue: at(second(60)) }],
  ["expires at its ttl", withTtl, 60, { task, version }, { event: { type: "TtlElapsed" } }],
  [
    "expires at its Task's ttl",
    queued,
    60,
    { task: { ...task, spec: { ...task.spec, ttlSeconds: 60 } }, version },
    { event: { type: "TtlElapsed" } },
  ],
  [
    "expires after ten minutes in a dev environment",
    queued,
    600,
    { task, environment: "dev" },
    { event: { type: "TtlElapsed" } },
  ],
  ["does not expire once it started", inBackoff, 60, { task, version }, { do: "takeSlot" }],
  ["waits for the end of its backoff", inBackoff, 0, { task, version }, at(second(1))],
  ["takes a slot after its backoff", inBackoff, 1, { task, version }, { do: "takeSlot" }],
  ["ends as the run that used its key", queued, 1, { task, duplicate }, { event: duplicate }],
  ["takes a slot for a retry although its Task was deleted", inBackoff, 1, { version }, { do: "takeSlot" }],
  [
    "is inadmissible without its Task",
    queued,
    1,
    {},
    { event: { type: "Inadmissible", reason: "TaskNotFound" }, requeue: at(second(1 + 24 * hour)) },
  ],
  [
    "is inadmissible without its Task until its ttl",
    withTtl,
    1,
    {},
    { event: { type: "Inadmissible", reason: "TaskNotFound" }, requeue: at(second(60)) },
  ],
  [
    "is rejected after a day without its Task",
    withoutTask,
    24 * hour,
    {},
    { event: { type: "Rejected", reason: "TaskNotFound" } },
  ],
  [
    "has a day from the first look for its Task, however long it was queued before",
    queued,
    25 * hour,
    {},
    { event: { type: "Inadmissible", reason: "TaskNotFound" }, requeue: at(second(49 * hour)) },
  ],
  [
    "does not expire in the backoff after an attempt that never started",
    unstarted,
    60,
    { task, version },
    { do: "takeSlot" },
  ],
  [
    "is rejected when the pod policy refuses it, before it has a slot",
    container,
    1,
    { forbidden: "spec.podTemplate.hostNetwork: no" },
    {
      event: { type: "Rejected", reason: "Forbidden", message: "spec.podTemplate.hostNetwork: no" },
    },
  ],
  [
    "is rejected when its version is not stored",
    queued,
    1,
    { task, version: { version: "v0", revision: "t-v0", isStored: false } },
    { event: { type: "Rejected", reason: "VersionNotFound" } },
  ],
];

test.each(rows)("a queued run %s", (_title, run, seconds, known, expected) => {
  const view: AdmissionView = { run, environment: "prod", now: second(seconds), ...known };
  expect(decideWaiting(view) ?? decideAdmission(view)).toMatchObject(expected);
});
