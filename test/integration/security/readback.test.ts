/** What an object in the bucket that is not what its key says costs: itself, over HTTP. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TaskRun } from "../../../operator/src/model/resources.ts";
import { historyIndexKey, historyKey } from "../../../operator/src/storage/layout.ts";
import { writeHistory } from "../../../operator/src/storage/runHistory.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

const json = { type: "application/json" };
const retired = (name: string, minute: number): TaskRun => ({
  apiVersion: "",
  kind: "TaskRun",
  metadata: { namespace, name, uid: `uid-${name}`, creationTimestamp: `2026-01-01T00:0${minute}:00Z` },
  spec: { task: "t" },
  status: { phase: "Completed", finishedAt: "2026-01-01T01:00:00Z" },
});
const runs = ["a", "b", "c"].map((name, minute) => retired(name, minute));

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  for (const run of runs) await writeHistory(api.store, run);
});
afterAll(() => api?.stop());

test.each(["{", "null", '{"name":"c"}', '{"spec":{"tags":"x"},"status":{}}'])(
  "a list goes on beside a summary that is %s",
  async (body) => {
    await api.store.of(namespace).put(historyIndexKey(retired("b", 1).metadata), body, json);
    const answer = await api.fetch("/api/v1/runs");
    expect(answer.status).toBe(200);
    const { data } = (await answer.json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id.split(".")[0])).toEqual(["run_c", "run_a"]);
  },
);

test("a run whose history cannot be read is told as that, without another try, and is no other run", async () => {
  await api.store.of(namespace).put(historyKey(retired("a", 0).metadata), "{", json);
  const answer = await api.fetch("/api/v3/runs/run_a");
  expect(answer.status).toBe(500);
  expect(answer.headers.get("x-should-retry")).toBe("false");
  expect(await answer.text()).toContain("cannot be read");
  expect((await api.fetch("/api/v1/runs")).status).toBe(200);
});

test.each(["\u0000", "../../x", "%00", "\ud800", "x".repeat(3000)])(
  "a list after %j is answered, or refused as a mistake of the client",
  async (after) => {
    const query = `page[after]=${after === "\ud800" ? "%ED%A0%80" : encodeURIComponent(after)}`;
    expect([200, 400, 422]).toContain((await api.fetch(`/api/v1/runs?${query}`)).status);
  },
);
