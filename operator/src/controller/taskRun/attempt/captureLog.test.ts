import type { V1Pod } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import type { KubeClient } from "../../../kube/client/client.ts";
import type { Attempt } from "../../../model/resources.ts";
import { LogCaptures } from "./captureLog.ts";
import { executing } from "./testViews.ts";

const attempt = executing.status?.attempts?.[0] as Attempt;
const podOn = (nodeName: string, uid = "p1"): V1Pod => ({
  metadata: { name: uid, namespace: "n", uid },
  spec: { nodeName, containers: [] },
});

/** Nodes whose logs are read; those that hang fail, and what is asked is recorded. */
function nodes(text: string, hanging: string[] = []) {
  const state = { now: 0, asked: [] as string[], stored: [] as string[] };
  const podLog = async (_namespace: string, pod: string) => {
    state.asked.push(pod);
    if (hanging.includes(pod)) throw new Error("no answer within 30000 ms");
    return new Blob([text]).stream();
  };
  const captures = new LogCaptures({
    client: { podLog: podLog as unknown as KubeClient["podLog"] },
    store: {
      of: () => ({ put: async (_key, body) => void state.stored.push(Buffer.from(body).toString()) }),
    },
    clock: () => state.now,
  });
  return { state, captures };
}

test("a long log keeps its end, and the run says how much is missing", async () => {
  const { state, captures } = nodes(`${"noise\n".repeat(3_000_000)}Error: the reason\n`);
  const captured = await captures.capture(executing, attempt, podOn("a"));
  expect(captured).toMatchObject({ logNote: expect.stringMatching(/^\d{7} bytes .* are left out\.$/) });
  expect(state.stored[0]).toMatch(/Error: the reason\n$/);
  expect(state.stored[0]?.length).toBeLessThan(10.1 * 1024 * 1024);
});

test("a node that hangs is asked once in half a minute for all its logs, other nodes are not held up", async () => {
  const { state, captures } = nodes("log", ["p1"]);
  await expect(captures.capture(executing, attempt, podOn("a", "p1"))).rejects.toThrow("no answer");
  for (let n = 2; n <= 40; n++)
    expect(await captures.capture(executing, attempt, podOn("a", `p${n}`))).toEqual({ againAt: 30_000 });
  expect(await captures.capture(executing, attempt, podOn("b", "q"))).toHaveProperty("logKey");
  expect(state.asked).toEqual(["p1", "q"]);
});

test("a log that its node does not give within ten minutes is given up, and the run says so", async () => {
  const { state, captures } = nodes("log", ["p1"]);
  for (const minute of [0, 5]) {
    state.now = minute * 60_000;
    await expect(captures.capture(executing, attempt, podOn("a"))).rejects.toThrow("no answer");
  }
  state.now = 10 * 60_000;
  expect(await captures.capture(executing, attempt, podOn("a"))).toEqual({
    logNote: "It could not be read for 10 minutes: no answer within 30000 ms",
  });
});
