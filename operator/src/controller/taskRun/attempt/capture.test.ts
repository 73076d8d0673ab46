import { expect, test } from "vitest";
import { at, done } from "../../../kube/manager/requeue.ts";
import type { TaskRun } from "../../../model/resources.ts";
import { ended, play } from "../../../model/run/testEvents.ts";
import { decide } from "./decide.ts";
import { containerEnded, executing, job, lost, running, second, viewOf } from "./testViews.ts";
import type { AttemptView } from "./view.ts";

const completed = play(executing, ended(1, "Completed"));
const inBackoff = play(executing, ended(1, "Failed"));
const captured = play(completed, { type: "Captured", attempt: 1, logKey: "k" });
const lostLog = { event: { type: "Captured", attempt: 1, logNote: expect.any(String) } };
const ofAnotherRun = { ...job(), metadata: { ...job().metadata, ownerReferences: [] } };

/** A container may run on for 30 s; a Job is kept for 300 s. */
const rows: [title: string, run: TaskRun, seconds: number, known: Partial<AttemptView>, expected: object][] =
  [
    ["has its log captured", completed, 1, { pod: containerEnded }, { do: "captureLog" }],
    [
      "has its log captured while the run waits for the next one",
      inBackoff,
      1,
      { pod: containerEnded },
      { do: "captureLog" },
    ],
    ["has no log when its pod was deleted", completed, 1, { live: { hasPods: false } }, lostLog],
    ["waits for a pod that only the cache misses", completed, 1, { live: { hasPods: true } }, done],
    ["has no log when its node is lost", completed, 1, { pod: lost }, lostLog],
    ["may run on for a while after its report", completed, 1, { pod: running }, at(second(30))],
    ["is stopped when it runs on", completed, 30, { pod: running }, { do: "endPod" }],
    ["is stopped once", completed, 31, { pod: { ...running, isEnding: true } }, done],
    ["keeps its Job for a while", captured, 1, { job: job() }, at(second(300))],
    ["has its Job deleted", captured, 300, { job: job() }, { do: "deleteJob" }],
    ["is history without its Job", captured, 300, {}, done],
    ["leaves a Job that belongs to something else", captured, 300, { job: ofAnotherRun }, done],
  ];

test.each(rows)("an ended attempt %s", (_title, run, seconds, known, expected) => {
  expect(decide(viewOf(run, seconds, known))).toEqual(expected);
});
