/**
 * Deployments: parts are uploaded, and Tasks and TaskQueues are made of what the code says, all or nothing.
 * What is not the project's is never touched.
 */
import { createHash } from "node:crypto";
import { deploymentAnnotation, projectLabel } from "@fairlead/protocol/labels";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TaskQueues, Tasks } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type Task } from "../../../operator/src/model/resources.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

async function post(
  path: string,
  body: unknown,
): Promise<{ status: number; answer: Record<string, unknown> & { error?: string } }> {
  const response = await api.fetch(`/api/fairlead/v1/deployments${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}

const sha = (text: string): string => createHash("sha256").update(text).digest("hex");

async function uploaded(text: string): Promise<string> {
  const part = sha(text);
  const { answer } = await post("/uploads", { parts: [part] });
  const url = (answer.uploads as Record<string, string>)[part];
  if (url) expect((await fetch(url, { method: "PUT", body: text })).status).toBe(200);
  return part;
}

const deploymentOf = (project: string, code: string, ...tasks: object[]) => ({
  project,
  bundle: { code: [code] },
  tasks,
});
const get = (name: string): Promise<Task | undefined> => api.client.get(Tasks, namespace, name);

test("a deployment's tasks and queues are resources that point to its code", async () => {
  const code = await uploaded("code one");
  expect((await post("/uploads", { parts: [code] })).answer).toEqual({ uploads: {} });
  const body = {
    ...deploymentOf("one", code, {
      id: "emails/Send",
      entry: "src/trigger/send.mjs",
      queue: { name: "mail", concurrencyLimit: 2 },
      retry: { maxAttempts: 5 },
      machine: "small-1x",
      maxDurationSeconds: 60,
      ttlSeconds: 600,
      schedule: { cron: "0 8 * * 1", timezone: "Europe/Berlin" },
    }),
    queues: [{ name: "mail", concurrencyLimit: 2 }],
  };
  const tried = await post("", { ...body, dryRun: true });
  expect(tried).toMatchObject({
    status: 200,
    answer: { changes: [{ action: "created" }, { action: "created" }] },
  });
  const [queue, task] = tried.answer.manifests as { metadata: { name: string } }[];
  expect(await get(task?.metadata.name ?? "")).toBeUndefined();

  const { status, answer } = await post("", body);
  expect({ status, version: answer.version }).toEqual({ status: 200, version: tried.answer.version });
  expect(await get(task?.metadata.name ?? "")).toMatchObject({
    metadata: { labels: { [projectLabel]: "one" }, annotations: { [deploymentAnnotation]: answer.version } },
    spec: {
      id: "emails/Send",
      bundle: { code: [code] },
      entry: "src/trigger/send.mjs",
      queue: { name: "mail", concurrencyLimit: 2 },
      retry: { maxAttempts: 5 },
      machine: "small-1x",
      maxDurationSeconds: 60,
      ttlSeconds: 600,
      schedule: { cron: "0 8 * * 1", timezone: "Europe/Berlin" },
    },
  });
  expect(await api.client.get(TaskQueues, namespace, queue?.metadata.name ?? "")).toMatchObject({
    spec: { concurrencyLimit: 2 },
  });
  const again = await post("", body);
  expect((again.answer.changes as { action: string }[]).map(({ action }) => action)).toEqual([
    "unchanged",
    "unchanged",
  ]);
});

test("a task that the code has no more goes; a rollback brings it back", async () => {
  const code = await uploaded("code two");
  const [a, b] = [
    { id: "two-a", entry: "a.mjs" },
    { id: "two-b", entry: "b.mjs" },
  ];
  const first = await post("", deploymentOf("two", code, a, b));
  const second = await post("", deploymentOf("two", code, a));
  expect(second.answer.changes).toContainEqual({ kind: "Task", name: "two-b", action: "deleted" });
  expect(await get("two-b")).toBeUndefined();
  const back = await post("/promote", { project: "two", version: first.answer.version });
  expect(back).toMatchObject({ status: 200 });
  expect(await get("two-b")).toBeDefined();
  const listed = (await (await api.fetch("/api/fairlead/v1/deployments/two")).json()) as {
    current: string;
    versions: { version: string }[];
  };
  expect(listed.current).toBe(first.answer.version);
  expect(listed.versions.map(({ version }) => version).sort()).toEqual(
    [first.answer.version, second.answer.version].sort(),
  );
});

test("a version that is not promoted changes nothing", async () => {
  const code = await uploaded("code three");
  const { answer } = await post("", {
    ...deploymentOf("three", code, { id: "three", entry: "a.mjs" }),
    promote: false,
  });
  expect(await get("three")).toBeUndefined();
  await post("/promote", { project: "three", version: answer.version });
  expect(await get("three")).toBeDefined();
});

describe("nothing changes when", () => {
  test("one task belongs to somebody else, who is named", async () => {
    const code = await uploaded("code four");
    await api.client.create(Tasks, namespace, {
      apiVersion,
      kind: "Task",
      metadata: { name: "applied" },
      spec: { image: "x:1" },
    } as Task);
    const mine = { id: "four-mine", entry: "a.mjs" };
    const refused = await post("", deploymentOf("four", code, mine, { id: "applied", entry: "a.mjs" }));
    expect(refused.status).toBe(409);
    expect(refused.answer.error).toContain("Task applied is not of a deployment");
    expect(await get("four-mine")).toBeUndefined();
    await post("", deploymentOf("four", code, mine));
    const other = await post("", deploymentOf("four-b", code, mine));
    expect(other.answer.error).toContain("Task four-mine is part of project four");
    expect((await get("four-mine"))?.metadata.labels).toEqual({ [projectLabel]: "four" });
  });

  test("one task is refused by the API server", async () => {
    const code = await uploaded("code five");
    const good = { id: "five-good", entry: "a.mjs" };
    const bad = { id: "five-bad", entry: "a.mjs", maxDurationSeconds: 10 ** 12 };
    const refused = await post("", deploymentOf("five", code, good, bad));
    expect(refused.status).toBe(422);
    expect(refused.answer.error).toContain("Task five-bad: ");
    expect(refused.answer.error).toContain("spec.maxDurationSeconds");
    expect(await get("five-good")).toBeUndefined();
  });

  const entry = "a.mjs";
  test.each<[string, (code: string) => object, number, string]>([
    [
      "the code is not there",
      () => deploymentOf("six", sha("never"), { id: "six", entry }),
      422,
      "was not uploaded",
    ],
    [
      "an id comes twice",
      (code) => deploymentOf("six", code, { id: "six", entry }, { id: "six", entry }),
      422,
      "six is defined more than once",
    ],
    [
      "a part is no hash",
      () => deploymentOf("six", "../../x", { id: "six", entry }),
      400,
      "bundle.code.0: a SHA-256 in hex is needed",
    ],
    [
      "the project is no name",
      (code) => deploymentOf("../six", code, { id: "six", entry }),
      400,
      "project: ",
    ],
    [
      "a field is unknown",
      (code) => deploymentOf("six", code, { id: "six", entry, retries: 3 }),
      422,
      '"retries" is not a known field',
    ],
    [
      "a schedule never comes",
      (code) => deploymentOf("six", code, { id: "six", entry, schedule: { cron: "99 * * * *" } }),
      422,
      "tasks.six.schedule.cron: ",
    ],
    ["there is no task", (code) => deploymentOf("six", code), 400, "tasks: "],
    [
      "a queue has two limits",
      (code) => ({
        ...deploymentOf("six", code, { id: "six", entry, queue: { name: "q", concurrencyLimit: 1 } }),
        queues: [{ name: "q", concurrencyLimit: 2 }],
      }),
      422,
      "tasks.six.queue.concurrencyLimit: 1, but queue q has 2",
    ],
  ])("%s", async (_what, make, status, message) => {
    const refused = await post("", make(await uploaded("code six")));
    expect(refused).toMatchObject({ status, answer: { error: expect.stringContaining(message) } });
    expect(await get("six")).toBeUndefined();
  });

  test("a version is unknown, or a path", async () => {
    expect(await post("/promote", { project: "two", version: "0".repeat(12) })).toMatchObject({
      status: 404,
    });
    expect(await post("/promote", { project: "two", version: "../../../x" })).toMatchObject({ status: 400 });
  });
});

test("a public token may not deploy", async () => {
  const made = await api.fetch("/api/v1/auth/public-tokens", {
    method: "POST",
    body: JSON.stringify({ scopes: ["write:tasks", "read:runs"] }),
  });
  const { token } = (await made.json()) as { token: string };
  for (const path of ["", "/uploads", "/promote"]) {
    const response = await api.fetch(`/api/fairlead/v1/deployments${path}`, {
      method: "POST",
      body: "{}",
      headers: { authorization: `Bearer ${token}` },
    });
    expect(response.status).toBe(403);
  }
});
