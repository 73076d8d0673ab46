import { describe, expect, it, test } from "vitest";
import type { Phase, TaskRun } from "../resources.ts";
import { attemptsKept } from "./attempts.ts";
import type { RunEvent } from "./event.ts";
import { holdsSlot } from "./phase.ts";
import {
  accepted,
  admitted,
  cancelRequested,
  containerGone,
  ended,
  later,
  maxDurationElapsed,
  newRun,
  now,
  play,
  refusalOf,
  resumeAsked,
  resumed,
  started,
  startTimedOut,
  waitBegan,
} from "./testEvents.ts";
import { transition } from "./transition.ts";

const duplicate: RunEvent = {
  type: "Duplicate",
  original: { name: "first", uid: "u0" },
  phase: "Completed",
  message: "The key was used by run first.",
  output: { n: 3 },
};

/** A run in each phase that has a way out; in two of them by several ways. */
const underWay = {
  new: newRun(),
  delayed: play(newRun({ task: "t", delayUntil: later }), accepted),
  queued: play(newRun(), accepted),
  backoff: play(newRun(), accepted, admitted(1), started(1), ended(1, "Failed")),
  starting: play(newRun(), accepted, admitted(1)),
  executing: play(newRun(), accepted, admitted(1), started(1)),
  waiting: play(newRun(), accepted, admitted(1), started(1), waitBegan(1, 1)),
  resuming: play(newRun(), accepted, admitted(1), started(1), waitBegan(1, 1), resumeAsked(1, 1)),
  canceling: play(newRun(), accepted, admitted(1), started(1), cancelRequested),
  overdue: play(newRun(), accepted, admitted(1), started(1), maxDurationElapsed(1)),
  unstarted: play(newRun(), accepted, admitted(1), startTimedOut(1)),
};
type UnderWay = keyof typeof underWay;

const terminal: Phase[] = [
  "Completed",
  "Canceled",
  "Expired",
  "Failed",
  "Crashed",
  "TimedOut",
  "SystemFailure",
];

/** Every row of the diagram: the event, and where it leads from which phase. What is not named is refused. */
const table: [name: string, event: RunEvent, leadsTo: { [from in UnderWay]?: Phase | undefined }][] = [
  ["Accepted", accepted, { new: "Queued" }],
  [
    "Rejected",
    { type: "Rejected", reason: "InvalidPayload", message: "No." },
    { new: "Failed", delayed: "Failed", queued: "Failed", backoff: "Failed" },
  ],
  ["Duplicate", duplicate, { new: "Completed", delayed: "Completed", queued: "Completed" }],
  ["DelayChecked", { type: "DelayChecked" }, { delayed: "Queued" }],
  [
    "Inadmissible",
    { type: "Inadmissible", reason: "TaskNotFound", message: "No such Task." },
    { new: undefined, delayed: "Delayed", queued: "Queued", backoff: "Queued" },
  ],
  [
    "Waits",
    { type: "Waits", reason: "QueueFull", message: "Full.", waiting: { queue: "q", at: now } },
    { queued: "Queued", backoff: "Queued" },
  ],
  ["Admitted", admitted(2), { queued: "Starting", backoff: "Starting" }],
  ["TtlElapsed", { type: "TtlElapsed" }, { queued: "Expired" }],
  ["SlotLost", { type: "SlotLost", attempt: 1 }, { starting: "Queued" }],
  [
    "StartBlocked",
    { type: "StartBlocked", attempt: 1, reason: "Unschedulable", message: "No node." },
    { starting: "Starting" },
  ],
  ["StartTimedOut", startTimedOut(1), { starting: "Stopping" }],
  ["Started", started(1), { starting: "Executing" }],
  ["MaxDurationElapsed", maxDurationElapsed(1), { executing: "Stopping" }],
  ["WaitBegan", waitBegan(1, 1), { starting: "Waiting", executing: "Waiting" }],
  ["ResumeAsked", resumeAsked(1, 1), { waiting: "Waiting" }],
  ["Resumed", resumed(1, 2), { resuming: "Executing" }],
  [
    "AttemptEnded",
    ended(1, "Completed"),
    { starting: "Completed", executing: "Completed", waiting: "Completed", resuming: "Completed" },
  ],
  [
    "AttemptEnded with a retry",
    ended(1, "Failed"),
    { starting: "Queued", executing: "Queued", waiting: "Queued", resuming: "Queued" },
  ],
  [
    "CancelRequested",
    cancelRequested,
    {
      new: "Canceled",
      delayed: "Canceled",
      queued: "Canceled",
      backoff: "Canceled",
      starting: "Stopping",
      executing: "Stopping",
      waiting: "Stopping",
      resuming: "Stopping",
    },
  ],
  ["ContainerGone", containerGone(1), { canceling: "Canceled", overdue: "TimedOut", unstarted: "Queued" }],
  [
    "StatusRefused",
    { type: "StatusRefused", message: "422" },
    Object.fromEntries(Object.keys(underWay).map((way) => [way, "SystemFailure"])),
  ],
  ["Captured", { type: "Captured", attempt: 1, logKey: "k" }, { backoff: "Queued" }],
];

const phaseAfter = (run: TaskRun, event: RunEvent): Phase | "refused" | undefined => {
  const result = transition(run, event, later);
  return "refused" in result ? "refused" : result.status.phase;
};

describe.each(table)("the event %s", (_name, event, leadsTo) => {
  const ways = Object.keys(underWay) as UnderWay[];

  test.each(ways.map((from) => [from, from in leadsTo ? leadsTo[from] : "refused"] as const))(
    "leads a run that is %s to %s",
    (from, expected) => {
      expect(phaseAfter(underWay[from], event)).toBe(expected);
    },
  );

  test.each(terminal)("an event that does not apply leaves a run that is %s in its phase", (phase) => {
    const { status, ...run } = play(underWay.executing, ended(1, "Completed"));
    const finished = { ...run, status: { ...status, phase } };
    expect(phaseAfter(finished, event)).toBe(event.type === "Captured" ? phase : "refused");
  });
});

test("the table has each event", () => {
  // The compiler demands a line for an event that is new.
  const types: Record<RunEvent["type"], true> = {
    Accepted: true,
    Rejected: true,
    Duplicate: true,
    DelayChecked: true,
    Inadmissible: true,
    Waits: true,
    Admitted: true,
    SlotLost: true,
    StartBlocked: true,
    Started: true,
    WaitBegan: true,
    ResumeAsked: true,
    Resumed: true,
    AttemptEnded: true,
    CancelRequested: true,
    MaxDurationElapsed: true,
    StartTimedOut: true,
    ContainerGone: true,
    TtlElapsed: true,
    StatusRefused: true,
    Captured: true,
  };
  expect(new Set(table.map(([, { type }]) => type))).toEqual(new Set(Object.keys(types)));
});

describe("the life of a run", () => {
  it("a run goes from creation to Completed with the output", () => {
    const run = play(underWay.executing, ended(1, "Completed", { output: { n: 3 } }));
    expect(run.status).toMatchObject({ phase: "Completed", output: { n: 3 } });
    const conditions = Object.fromEntries(run.status?.conditions?.map((c) => [c.type, c.status]) ?? []);
    expect(conditions).toEqual({ Finished: "True", Complete: "True", Failed: "False", Captured: "False" });
  });

  it("a run waits in Delayed until delayUntil has passed", () => {
    expect(underWay.delayed.status?.phase).toBe("Delayed");
    expect(refusalOf(underWay.delayed, { type: "DelayChecked" })).toContain("not passed");
    expect(phaseAfter(underWay.delayed, { type: "DelayChecked" })).toBe("Queued");
  });

  it("waits in Delayed while delayUntil cannot be read", () => {
    const run = play(newRun({ task: "t", delayUntil: "2020-01-01T00:00:00+24:00" }), accepted);
    expect(run.status?.phase).toBe("Delayed");
  });

  it("a run starts at once when delayUntil is in the past", () => {
    const run = play(newRun({ task: "t", delayUntil: "2020-01-01T00:00:00Z" }), accepted);
    expect(run.status?.phase).toBe("Queued");
  });

  it("a debounced run gets the payload that it has when its delay ends, and any other run the one that was accepted", () => {
    const debounce = { key: "k", delaySeconds: 5 };
    for (const [spec, digest] of [
      [{ task: "t", delayUntil: later, debounce }, "last"],
      [{ task: "t", delayUntil: later }, "first"],
    ] as const) {
      const run = play(newRun(spec), { type: "Accepted", payloadDigest: "first" });
      const due = transition(run, { type: "DelayChecked", payloadDigest: "last" }, later);
      expect("status" in due && due.status.payloadDigest).toBe(digest);
    }
  });

  it("a run takes the result of the run that used its key, before any attempt of its own and not after", () => {
    const run = play(underWay.queued, duplicate);
    expect(run.status).toMatchObject({
      phase: "Completed",
      reason: "Duplicate",
      output: { n: 3 },
      duplicateOf: { name: "first" },
    });
    expect(run.status?.conditions?.find(({ type }) => type === "Captured")?.status).toBe("True");
    expect(refusalOf(underWay.backoff, duplicate)).toContain("attempt of its own");
    expect(refusalOf(underWay.queued, { ...duplicate, phase: "Executing" })).toContain("not finished");
  });

  it("a run stays in the queue of its first admission", () => {
    const first: RunEvent = { type: "Admitted", slot: 1, queue: "a" };
    const second: RunEvent = { type: "Admitted", slot: 2, queue: "b" };
    const run = play(underWay.queued, first, started(1), ended(1, "Failed"), second);
    expect(run.status?.queue).toBe("a");
  });

  it("a run needs a higher slot number for each admission", () => {
    expect(refusalOf(underWay.backoff, admitted(1))).toContain("not above the last one");
  });

  it("a run is canceled at once while it waits, and through Stopping while an attempt is under way", () => {
    expect(play(underWay.queued, cancelRequested).status?.phase).toBe("Canceled");
    expect(holdsSlot(underWay.canceling)).toBe(true);
    expect(refusalOf(underWay.canceling, ended(1, "Completed"))).toContain("CancelRequested");
    expect(play(underWay.canceling, containerGone(1)).status?.phase).toBe("Canceled");
  });

  it("a run keeps the result of a report that came before Stopping", () => {
    const run = play(underWay.executing, ended(1, "Completed"));
    expect(refusalOf(run, cancelRequested)).toContain("Completed");
    expect(refusalOf(run, maxDurationElapsed(1))).toContain("Completed");
  });

  it("a run refuses events of another attempt or another pod", () => {
    const run = play(underWay.backoff, admitted(2), started(2));
    expect(refusalOf(run, ended(1, "Completed"))).toContain("not the current one");
    const ofAnotherPod = { ...ended(2, "Completed"), podUid: "other" } as RunEvent;
    expect(refusalOf(run, ofAnotherPod)).toContain("not the attempt's pod");
  });

  it("a run gives a lost slot back without having spent an attempt", () => {
    const run = play(underWay.starting, { type: "SlotLost", attempt: 1 });
    expect(run.status).toMatchObject({ phase: "Queued", attempt: 0, attempts: [] });
    expect(play(run, admitted(2)).status?.attempt).toBe(1);
  });

  it("expires only before the first start", () => {
    expect(play(underWay.queued, { type: "TtlElapsed" }).status?.phase).toBe("Expired");
    expect(refusalOf(underWay.backoff, { type: "TtlElapsed" })).toContain("first start");
  });

  it("records what blocks a start once, however long the message is", () => {
    const blocked: RunEvent = {
      type: "StartBlocked",
      attempt: 1,
      reason: "ErrImagePull",
      message: "x".repeat(5000),
    };
    const run = play(underWay.starting, blocked);
    expect(run.status?.message).toHaveLength(1024);
    expect(refusalOf(run, blocked)).toBe("nothing new");
  });

  it("captures an ended attempt once, in any phase", () => {
    const captured: RunEvent = { type: "Captured", attempt: 1, logKey: "k" };
    const run = play(underWay.executing, ended(1, "Completed"), captured);
    expect(run.status?.conditions?.find((c) => c.type === "Captured")?.status).toBe("True");
    expect(refusalOf(run, captured)).toContain("already");
    expect(refusalOf(underWay.executing, captured)).toContain("not ended");
  });

  it("a run keeps the newest attempts, and older ones whose log is still to be captured", () => {
    let run = play(newRun({ task: "t", maxAttempts: 250 }), accepted);
    for (let n = 1; n <= attemptsKept + 2; n++) {
      run = play(run, admitted(n), started(n), ended(n, "Failed", {}, { maxAttempts: 250 }));
      if (n !== 1) run = play(run, { type: "Captured", attempt: n });
    }
    const numbers = run.status?.attempts?.map((a) => a.number);
    expect(numbers).toHaveLength(attemptsKept);
    expect(numbers?.slice(0, 2)).toEqual([1, 4]);
    expect(run.status?.startedAt).toBe(now);
  });
});
