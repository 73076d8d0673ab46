import { expect, test } from "vitest";
import { accepted, newRun, play } from "./testEvents.ts";
import { exactly, isStale, type WaitView, whyWaits } from "./waiting.ts";

const now = "2026-01-01T00:00:00.000Z";
const free: WaitView = {
  ...{ namespace: "team-a", queue: "mail", paused: false, running: 0, place: 1, queued: 1 },
  ...{ namespaceRunning: 0, now },
};
const last = "Place 1 of 1 in line.";

test.each<[string, Partial<WaitView>, string, string]>([
  ["nothing in particular", {}, "Queued", "Waits to be admitted."],
  [
    "a full queue",
    { limit: 1, running: 1, place: 3, queued: 4 },
    "QueueFull",
    'The queue "mail" lets 1 run execute at once, and 1 has a slot. Place 3 of 4 in line.',
  ],
  [
    "a key's limit",
    { limit: 2, running: 2, concurrencyKey: "ada" },
    "KeyFull",
    `The queue "mail" lets 2 runs of each concurrencyKey execute at once, and 2 of the key "ada" have a slot. ${last}`,
  ],
  [
    "the namespace's limit",
    { limit: 5, running: 2, namespaceLimit: 50, namespaceRunning: 50, place: 17, queued: 432 },
    "NamespaceFull",
    "Namespace team-a lets 50 runs execute at once, and 50 have a slot. Place about 20 of about 400 in line.",
  ],
  [
    "a paused queue, before its limit",
    { paused: true, limit: 1, running: 1 },
    "QueuePaused",
    `The queue "mail" is paused: no run starts until it is resumed. ${last}`,
  ],
  [
    "closed admission, before all others",
    { closed: "Redis does not answer.", paused: true },
    "AdmissionClosed",
    `No run starts in namespace team-a now: Redis does not answer. This run starts by itself afterwards. ${last}`,
  ],
  [
    "room on the nodes",
    {
      noRoom: "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available.",
      place: 2,
      queued: 2,
    },
    "NoRoom",
    'There is no room for more runs of the queue "mail" now: 0/3 nodes are available: 3 Insufficient cpu. This run starts by itself when there is. Place 2 of 2 in line.',
  ],
  [
    "its limit, before room on the nodes",
    { noRoom: "no node", limit: 1, running: 1 },
    "QueueFull",
    `The queue "mail" lets 1 run execute at once, and 1 has a slot. ${last}`,
  ],
  [
    "a limit that was reached a moment ago",
    { limit: 1, wasRefused: true },
    "QueueFull",
    `The queue "mail" lets 1 run execute at once, and 1 has a slot. ${last}`,
  ],
])("a run that waits for %s says so, with numbers", (_what, view, reason, message) => {
  expect(whyWaits({ ...free, ...view })).toMatchObject({ reason, message });
});

test("a status is written again for a new cause at once, for numbers after a minute", () => {
  const full = whyWaits({ ...free, limit: 1, running: 1, place: 9, queued: 9 });
  const status = { reason: full.reason, message: full.message, waiting: full.waiting };
  const after = (seconds: number, view: Partial<WaitView>) =>
    isStale(
      status,
      whyWaits({ ...free, limit: 1, running: 1, place: 9, queued: 9, ...view }),
      Date.parse(now) + seconds * 1000,
    );
  expect(after(600, {})).toBeUndefined();
  expect(after(59, { place: 8, queued: 8 })).toBeUndefined();
  expect(after(60, { place: 8, queued: 8 })).toBe("numbers");
  expect(after(1, { paused: true })).toBe("reason");
  expect(after(1, { limit: 2, running: 2 })).toBe("reason");
  expect(after(1, { running: 0 })).toBeUndefined();
});

test("the API answers with the place of the moment", () => {
  const wait = whyWaits({ ...free, limit: 3, running: 3, place: 437, queued: 980 });
  const run = play(newRun(), accepted, { type: "Waits", ...wait });
  expect(run.status?.message).toMatch(/Place about 400 of about 1000 in line\.$/);
  expect(exactly(run, { place: 437, queued: 980, running: 3 })).toMatchObject({
    message: expect.stringMatching(/Place 437 of 980 in line\.$/),
    waiting: { queue: "mail", limit: 3, running: 3, place: 437, queued: 980 },
  });
});

test.each([{ closed: "Redis does not answer." }, { noRoom: "exceeded quota: now: 3, used: 3." }])(
  "the API's answer keeps the cause of %j",
  (cause) => {
    const wait = whyWaits({ ...free, ...cause, namespace: "n", place: 437, queued: 980 });
    const run = play(newRun(), accepted, { type: "Waits", ...wait });
    const { message } = exactly(run, { place: 437, queued: 980, running: 3 });
    expect(message).toBe(wait.message.replace("about 400", "437").replace("about 1000", "980"));
  },
);
