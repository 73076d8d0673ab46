/** Tasks that wait, on a real kubelet: with our SDK and with the official one. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../hack/lib/wait.ts";
import { KubeClient } from "../../operator/src/kube/client/client.ts";
import { WaitTokens } from "../../operator/src/model/kinds.ts";
import { testTask } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("waits");
  await ns.apply(
    testTask("nests", { queue: { name: "nests", concurrencyLimit: 1 } }),
    testTask("echo"),
    testTask("aborts"),
    testTask("waits-for-many", { queue: { name: "many", concurrencyLimit: 1 } }),
    testTask("waits-for-token"),
  );
});
afterAll(() => ns?.remove());

test.concurrent("four levels of one queue with a limit of one all complete: who waits has no slot", async () => {
  await ns.startRun("nests", { task: "nests", payload: { depth: 3 } });
  expect(await ns.untilFinished("nests")).toMatchObject({
    phase: "Completed",
    output: 3,
    attempt: 1,
    slot: 2,
  });
});

test.concurrent("several waits at once, of both SDKs, come to their results", async () => {
  await ns.startRun("many", { task: "waits-for-many" });
  const status = await ns.untilFinished("many");
  expect(status.error).toBeUndefined();
  expect(status).toMatchObject({
    phase: "Completed",
    output: { first: { n: 1 }, second: { n: 2 }, theirs: { n: 3 }, together: [true, false] },
  });
});

test.concurrent("a token that is completed by its status lets the run go on, after a wait for a time", async () => {
  await ns.startRun("token", { task: "waits-for-token", payload: { key: "approval" } });
  const client = KubeClient.fromEnvironment();
  const token = await waitFor("the token", async () => {
    const { items } = await client.list(WaitTokens, ns.name);
    return items.find(({ spec }) => spec.tags?.includes("approval"));
  });
  const status = { state: "Completed", output: { approved: true } };
  const options = { type: "merge", subresource: "status" } as const;
  await client.patch(WaitTokens, ns.name, token.metadata.name, { status } as never, options);
  await client.close();
  expect(await ns.untilFinished("token")).toMatchObject({
    phase: "Completed",
    output: { ok: true, output: { approved: true } },
  });
});
