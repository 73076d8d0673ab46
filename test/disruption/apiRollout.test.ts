/** A rollout of the API while clients send requests: none of them fails, even without retries. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../hack/lib/exec.ts";
import { apiAddress } from "../../hack/start/apiKey.ts";
import { releaseName, releaseNamespace } from "../../hack/start/release.ts";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import { ApiAccess } from "../support/release/apiAccess.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
let api: ApiAccess;
let url: string;
beforeAll(async () => {
  ns = await TestNamespace.create("rollout");
  api = await ApiAccess.open(ns.name);
  // Not through a port-forward, which is bound to one pod. Needs the built-in cluster, whose Services are
  // reachable.
  url = await apiAddress();
});
afterAll(async () => {
  await api?.close();
  await ns?.remove();
});

const ask = (path: string, body: RequestInit["body"], type = "application/json"): Promise<Response> =>
  fetch(url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${api.key}`, "content-type": type },
    body,
    duplex: "half",
  } as RequestInit);

async function rollOut(): Promise<void> {
  const what = [`deployment/${releaseName}-api`, "--namespace", releaseNamespace];
  await run("kubectl", ["rollout", "restart", ...what]);
  await run("kubectl", ["rollout", "status", ...what, "--timeout=120s"]);
}

test("a rollout of the API answers every trigger, and a batch in the middle of its items", async () => {
  const made = await ask("/api/v3/batches", JSON.stringify({ runCount: 2 }));
  const { id } = (await made.json()) as { id: string };
  const done = Promise.withResolvers<void>();
  const line = (index: number) =>
    new TextEncoder().encode(
      `${JSON.stringify({ index, task: "late", payload: index, options: { delay: "1h" } })}\n`,
    );
  let begun = false;
  const items = new ReadableStream({
    async pull(stream) {
      if (begun) {
        await done.promise;
        stream.enqueue(line(1));
        return stream.close();
      }
      stream.enqueue(line(0));
      begun = true;
    },
  });
  const streamed = ask(`/api/v3/batches/${id}/items`, items, "application/x-ndjson");

  let isOver = false;
  const ids: string[] = [];
  const failures: unknown[] = [];
  const client = async (): Promise<void> => {
    while (!isOver) {
      try {
        const body = JSON.stringify({ payload: 1, options: { delay: "1h" } });
        const response = await ask("/api/v1/tasks/late/trigger", body);
        const answer = (await response.json()) as { id: string };
        if (response.status === 200) ids.push(answer.id);
        else failures.push(answer);
      } catch (error) {
        failures.push((error as Error).cause ?? error);
      }
    }
  };
  const clients = Array.from({ length: 4 }, client);
  await rollOut();
  // The pod with the stream is terminating; it finishes the requests that it has accepted.
  done.resolve();
  expect(await (await streamed).json()).toMatchObject({ sealed: true, itemsAccepted: 2 });
  isOver = true;
  await Promise.all(clients);

  expect(failures).toEqual([]);
  expect(ids.length).toBeGreaterThan(50);
  const there = new Set(
    (await ns.list(TaskRuns, "fairlead.dev/origin=api")).map(({ metadata }) => `run_${metadata.name}`),
  );
  expect(ids.filter((one) => !there.has(one))).toEqual([]);
});
