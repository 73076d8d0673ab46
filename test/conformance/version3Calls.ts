/** The calls of the last official SDK of version 3, each as one test on the cluster. */
import * as v3 from "trigger-sdk-v3/v3";
import { expect } from "vitest";

type Call = (name: string, body: () => Promise<void>) => void;

interface Cluster {
  /** The API's address, known when the tests run. */
  url(): string;
  batchEnd(id: string): Promise<{ status: string }>;
}

const quick = { pollIntervalMs: 200 };

export function version3Calls(call: Call, cluster: Cluster): void {
  call("tasks.trigger", async () => {
    const { id } = await v3.tasks.trigger("echo", { name: "Ada" });
    expect((await v3.runs.poll(id, quick)).status).toBe("COMPLETED");
  });

  call("runs.retrieve", async () => {
    const { id } = await v3.tasks.trigger("echo", { n: 1 }, { tags: ["a"] });
    expect(await v3.runs.retrieve(id)).toMatchObject({ id, tags: ["a"] });
  });

  call("tasks.triggerAndPoll", async () => {
    expect(await v3.tasks.triggerAndPoll("echo", { n: 1 }, quick)).toMatchObject({ status: "COMPLETED" });
  });

  call("delay, runs.reschedule, runs.cancel", async () => {
    const { id } = await v3.tasks.trigger("echo", {}, { delay: "1h" });
    expect((await v3.runs.reschedule(id, { delay: "2h" })).status).toBe("DELAYED");
    await v3.runs.cancel(id);
    expect((await v3.runs.poll(id, quick)).status).toBe("CANCELED");
  });

  call("tasks.batchTrigger, batch.retrieve", async () => {
    const { batchId, runs } = await v3.tasks.batchTrigger("echo", [
      { payload: { n: 1 } },
      { payload: { n: 2 } },
    ]);
    expect(runs).toHaveLength(2);
    expect((await cluster.batchEnd(batchId)).status).toBe("COMPLETED");
  });

  call("batch.trigger", async () => {
    const { batchId } = await v3.batch.trigger([
      { id: "echo", payload: { a: 1 } },
      { id: "throws", payload: {} },
    ]);
    expect((await cluster.batchEnd(batchId)).status).toBe("PARTIAL_FAILED");
  });

  call("runs.list", async () => {
    expect((await v3.runs.list({ limit: 1 })).data).toHaveLength(1);
  });

  call("runs.replay", async () => {
    const { id } = await v3.tasks.trigger("echo", { again: 3 });
    await v3.runs.poll(id, quick);
    const replayed = await v3.runs.replay(id);
    expect((await v3.runs.poll(replayed.id, quick)).output).toEqual({ again: 3 });
  });

  call("a run that fails", async () => {
    const { id } = await v3.tasks.trigger("throws", {});
    expect(await v3.runs.poll(id, quick)).toMatchObject({
      status: "FAILED",
      attempts: [{ status: "FAILED" }],
    });
  });

  call("idempotencyKeys.create", async () => {
    const key = await v3.idempotencyKeys.create("order-v3", { scope: "global" });
    const first = await v3.tasks.trigger("echo", { n: 1 }, { idempotencyKey: key });
    expect((await v3.tasks.trigger("echo", { n: 2 }, { idempotencyKey: key })).id).toBe(first.id);
  });

  call("schedules.create, retrieve, update, list, deactivate, activate, del, timezones", async () => {
    const made = await v3.schedules.create({ task: "echo", cron: "0 9 * * *", deduplicationKey: "v3" });
    expect(await v3.schedules.update(made.id, { task: "echo", cron: "0 11 * * *" })).toMatchObject({
      generator: { expression: "0 11 * * *" },
    });
    expect((await v3.schedules.deactivate(made.id)).active).toBe(false);
    expect((await v3.schedules.activate(made.id)).active).toBe(true);
    expect((await v3.schedules.retrieve(made.id)).task).toBe("echo");
    expect((await v3.schedules.list()).data.map(({ id }) => id)).toContain(made.id);
    await v3.schedules.del(made.id);
    expect((await v3.schedules.timezones()).timezones).toContain("Europe/Berlin");
  });

  call("envvars.upload, create, list, retrieve, del", async () => {
    await v3.envvars.upload("proj", "prod", { variables: { OLDER: "1" }, override: true });
    await v3.envvars.create("proj", "prod", { name: "OLDER_TOO", value: "2" });
    expect(await v3.envvars.retrieve("proj", "prod", "OLDER")).toMatchObject({ value: "1" });
    for (const name of ["OLDER", "OLDER_TOO"]) await v3.envvars.del("proj", "prod", name);
    const names = (await v3.envvars.list("proj", "prod")).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("OLDER"))).toEqual([]);
  });

  // A configured secret key would win over the token.
  call("auth.createPublicToken, auth.withAuth", async () => {
    const { id } = await v3.tasks.trigger("echo", {});
    const accessToken = await v3.auth.createPublicToken({ scopes: { read: { runs: [id] } } });
    await v3.auth.withAuth({ accessToken, secretKey: undefined, baseURL: cluster.url() }, async () => {
      expect((await v3.runs.retrieve(id)).id).toBe(id);
    });
  });

  call("auth.createTriggerPublicToken", async () => {
    const accessToken = await v3.auth.createTriggerPublicToken("echo");
    await v3.auth.withAuth({ accessToken, secretKey: undefined, baseURL: cluster.url() }, async () => {
      await v3.tasks.trigger("echo", {});
      await expect(v3.tasks.trigger("throws", {})).rejects.toMatchObject({ status: 403 });
    });
  });
}
