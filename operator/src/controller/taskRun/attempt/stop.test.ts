import { expect, test } from "vitest";
import { at } from "../../../kube/manager/requeue.ts";
import type { TaskRun } from "../../../model/resources.ts";
import { play } from "../../../model/run/testEvents.ts";
import { decide } from "./decide.ts";
import {
  containerEnded,
  job,
  lost,
  podRef,
  running,
  second,
  starting,
  stopping,
  unscheduled,
  viewOf,
} from "./testViews.ts";
import type { AttemptView } from "./view.ts";

const ending = { ...running, isEnding: true };
/** Canceled before its pod was seen. */
const canceledEarly = play(starting, { type: "CancelRequested" });
const gone = { event: { type: "ContainerGone", attempt: 1 } };

/** Grace period 30 s, and 30 s more before the Job is deleted; a node counts as lost after 60 s. */
const rows: [title: string, run: TaskRun, seconds: number, known: Partial<AttemptView>, expected: object][] =
  [
    ["has its pod stopped", stopping, 1, { pod: running }, { do: "endPod", requeue: at(second(60)) }],
    ["has its pod stopped even when it is late", stopping, 99, { pod: running }, { do: "endPod" }],
    ["waits for the grace period", stopping, 59, { pod: ending }, at(second(60))],
    [
      "has its Job deleted when its container runs on",
      stopping,
      60,
      { pod: ending },
      { do: "deleteJob", requeue: at(second(90)) },
    ],
    [
      "is gone with its exit code when its container ended",
      stopping,
      2,
      { pod: containerEnded },
      { event: { type: "ContainerGone", attempt: 1, exitCode: 0, ...podRef } },
    ],
    ["waits for a node that is silent", stopping, 69, { pod: lost }, at(second(70))],
    [
      "is gone with a lost node",
      stopping,
      70,
      { pod: lost },
      { event: { type: "ContainerGone", ...podRef } },
    ],
    [
      "has its Job deleted when no node has its pod",
      canceledEarly,
      1,
      { pod: unscheduled, live: { job: job(), hasPods: true } },
      { do: "deleteJob", requeue: at(second(3)) },
    ],
    [
      "has its Job deleted when there is no pod yet",
      canceledEarly,
      1,
      { live: { job: job(), hasPods: false } },
      { do: "deleteJob", requeue: at(second(3)) },
    ],
    [
      "waits for its pod to be deleted after its Job",
      canceledEarly,
      1,
      { live: { hasPods: true } },
      at(second(3)),
    ],
    ["is gone when neither Job nor pod exist", canceledEarly, 1, { live: { hasPods: false } }, gone],
    [
      "is gone when only the cache has its pod",
      canceledEarly,
      1,
      { pod: unscheduled, live: { hasPods: false } },
      gone,
    ],
    [
      "is gone although its Task was deleted",
      stopping,
      2,
      { pod: containerEnded, program: undefined },
      { event: { type: "ContainerGone", retry: { maxAttempts: 3 } } },
    ],
  ];

test.each(rows)("a stopped attempt %s", (_title, run, seconds, known, expected) => {
  expect(decide(viewOf(run, seconds, known))).toMatchObject(expected);
});
