/** One list over live and retired runs: pages in both directions, filters, freshness. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { RunReader } from "../../../operator/src/api/runs/reader.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import type { TaskRun } from "../../../operator/src/model/resources.ts";
import { writeHistory } from "../../../operator/src/storage/runHistory.ts";
import { quiet } from "../../support/quiet.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

const [liveCount, oldCount] = [7, 130];
const day = Date.UTC(2026, 0, 1);

let api: ApiReplica;
/** All names, newest first. */
const names: string[] = [];
beforeAll(async () => {
  api = await ApiReplica.start();
  for (let n = 0; n < oldCount; n++) await writeHistory(api.store, oldRun(n));
  for (let n = 0; n < liveCount; n++) {
    const body = JSON.stringify({ options: { tags: ["live", `n${n}`] } });
    await api.fetch("/api/v1/tasks/echo/trigger", { method: "POST", body });
  }
  // A run that is being retired is in both.
  const { items } = await api.client.list(TaskRuns, namespace);
  const [both] = items;
  if (both) await writeHistory(api.store, both);
  await waitFor("all are listed", async () => (await page("page[size]=100")).data.length === 100, {
    timeoutMs: 10_000,
  });
  const newest = [...items].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  names.push(...newest.map(({ metadata }) => metadata.name));
  for (let n = oldCount - 1; n >= 0; n--) names.push(`old${n}`);
});
afterAll(() => api?.stop());

const sortKey = ({ metadata }: TaskRun): string =>
  `${10 ** 13 - Date.parse(metadata.creationTimestamp ?? "")}.${metadata.name}`;

function oldRun(n: number): TaskRun {
  return {
    apiVersion: "",
    kind: "TaskRun",
    metadata: {
      name: `old${n}`,
      namespace,
      uid: `uid-${n}`,
      creationTimestamp: new Date(day + n * 60_000).toISOString(),
    },
    spec: { task: n % 2 === 0 ? "echo" : "mail", tags: n % 10 === 0 ? ["tenth"] : [] },
    status: { phase: n % 3 === 0 ? "Failed" : "Completed", queue: `task/${n % 2 === 0 ? "echo" : "mail"}` },
  } as unknown as TaskRun;
}

interface Page {
  data: { id: string; status: string; taskIdentifier: string }[];
  pagination: { next?: string; previous?: string };
}

async function page(query: string): Promise<Page> {
  const response = await api.fetch(`/api/v1/runs?${query}`);
  const answer = await response.json();
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return answer as Page;
}
const idsOf = ({ data }: Page): string[] => data.map(({ id }) => id.replace("run_", ""));

/** All pages in one direction. */
async function all(
  way: "next" | "previous",
  size: number,
  filter = "",
  cursor?: string,
): Promise<string[][]> {
  const pages: string[][] = [];
  for (let at = cursor; pages.length < 200; ) {
    const parameter = at === undefined ? "" : `&page[${way === "next" ? "after" : "before"}]=${at}`;
    const one = await page(`page[size]=${size}${filter}${parameter}`);
    pages.push(idsOf(one));
    at = one.pagination[way];
    if (at === undefined) return pages;
  }
  throw new Error("the pages have no end");
}

describe("the list of runs", () => {
  test.each([1, 10, 100])(
    "the list of runs shows each run once, newest first, in pages of %i",
    async (size) => {
      const some = size === 1 ? names.slice(0, 20) : names;
      if (size > 1) return expect((await all("next", size)).flat()).toEqual(some);
      const seen: string[] = [];
      let cursor: string | undefined;
      for (let n = 0; n < some.length; n++) {
        const one: Page = await page(`page[size]=1${cursor ? `&page[after]=${cursor}` : ""}`);
        seen.push(...idsOf(one));
        cursor = one.pagination.next;
      }
      expect(seen).toEqual(some);
    },
  );

  test("the list of runs can be paged backwards", async () => {
    const forth = await all("next", 25);
    const last = await page(`page[size]=25&page[after]=${await cursorBehind(100)}`);
    expect(idsOf(last)).toEqual(forth[4]);
    const back = await all("previous", 25, "", last.pagination.previous);
    expect(back.reverse()).toEqual(forth.slice(0, 4));
  });

  test.each([
    ["filter[status]=FAILED", (n: number) => n % 3 === 0],
    ["filter[taskIdentifier]=mail", (n: number) => n % 2 === 1],
    ["filter[tag]=tenth,none", (n: number) => n % 10 === 0],
    ["filter[queue]=task/mail&filter[status]=COMPLETED", (n: number) => n % 2 === 1 && n % 3 !== 0],
    [`filter[createdAt][from]=${day}&filter[createdAt][to]=${day + 5 * 60_000}`, (n: number) => n <= 5],
  ])("the list of runs filters history by %s", async (filter, fits) => {
    const wanted = Array.from({ length: oldCount }, (_, n) => n)
      .filter(fits)
      .map((n) => `old${n}`);
    expect((await all("next", 7, `&${filter}`)).flat()).toEqual(wanted.reverse());
  });

  test("the list of runs filters live runs, and is empty when none matches", async () => {
    expect((await all("next", 3, "&filter[tag]=live")).flat()).toEqual(names.slice(0, liveCount));
    expect((await page("filter[tag]=n3,n4")).data).toHaveLength(2);
    expect(await page("filter[tag]=nothing")).toEqual({ data: [], pagination: {} });
    expect((await page("filter[createdAt][period]=1h")).data).toHaveLength(liveCount);
  });

  test("the list of runs shows a retired run as it was", async () => {
    const response = await api.fetch("/api/v3/runs/run_old3", {
      headers: { "x-trigger-api-version": "2025-07-16" },
    });
    expect(await response.json()).toMatchObject({ id: "run_old3", status: "FAILED", isCompleted: true });
    const listed = (await page("page[size]=100")).data.find(({ id }) => id === "run_old127");
    expect(listed).toMatchObject({ status: "COMPLETED", taskIdentifier: "mail" });
  });

  async function cursorBehind(count: number): Promise<string | undefined> {
    return (await page(`page[size]=${count}`)).pagination.next;
  }
});

test("the list of runs counts as current while its watch receives bookmarks", async () => {
  const reader = new RunReader(api.client, api.store, [], quiet);
  const stop = new AbortController();
  expect(reader.isFresh(Date.now())).toBe(false);
  await reader.start(stop.signal);
  expect(reader.isFresh(Date.now())).toBe(true);
  expect(reader.isFresh(Date.now() + 151_000)).toBe(false);
  stop.abort();
});

test("of two runs that had one name, each is listed under an id that opens it and no other", async () => {
  const uids = [1, 2].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
  for (const [n, uid] of uids.entries()) {
    const one = oldRun(n);
    const metadata = { ...one.metadata, name: "twice", uid };
    const finishedAt = new Date(day + n * 60_000).toISOString();
    const status = { ...one.status, phase: "Completed" as const, output: { uid }, finishedAt };
    await writeHistory(api.store, { ...one, metadata, spec: { task: "echo", tags: ["twice"] }, status });
  }
  const retrieve = async (id: string) => {
    const answer = await api.fetch(`/api/v3/runs/${id}`);
    return (await answer.json()) as { id: string; output: unknown };
  };
  const { data } = await page("filter[tag]=twice");
  expect(data.map(({ id }) => id)).toEqual(["run_twice", `run_twice.${uids[0]}`]);
  for (const [n, { id }] of data.entries())
    expect(await retrieve(id)).toMatchObject({ id, output: { uid: uids[1 - n] } });
  const missing = await api.fetch(`/api/v3/runs/run_twice.${uids[0]?.replace(/^0/, "f")}`);
  expect(missing.status).toBe(404);
});
