/** Finished runs that are retired, and what history keeps of them. */
import { originLabel } from "@fairlead/protocol/labels";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../hack/lib/wait.ts";
import { Jobs } from "../../operator/src/kube/resources.ts";
import { keyedRunName } from "../../operator/src/model/keys/idempotency.ts";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import { loadObject } from "../support/release/bucket.ts";
import { shell, taskRun } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("retention");
});
afterAll(() => ns?.remove());

const once = shell('printf \'{"at": %s}\' "$(date +%s)" > /dev/termination-log');

const isGone = (name: string) =>
  waitFor(`TaskRun ${name} is retired`, async () => (await ns.get(TaskRuns, name)) === undefined, {
    timeoutMs: 60_000,
  });

describe("an applied run", () => {
  test("a retired run that is applied again settles from history and does not run", async () => {
    await ns.startRun("report", { ...once, ttlSecondsAfterFinished: 2 });
    const first = await ns.untilCaptured("report");
    expect(first.phase).toBe("Completed");
    await isGone("report");
    expect(JSON.parse(await loadObject(first.outputRef?.key))).toEqual(first.output);
    await ns.startRun("report", { ...once, ttlSecondsAfterFinished: 2 });
    const second = await ns.untilFinished("report");
    expect(second).toMatchObject({ phase: "Completed", reason: "Duplicate", output: first.output });
    expect(second.attempts ?? []).toEqual([]);
    expect(second.duplicateOf?.name).toBe("report");
    expect(await ns.list(Jobs, "fairlead.dev/run=report")).toEqual([]);
  });

  test("an applied run is kept unless its spec says otherwise", async () => {
    await ns.startRun("stays", once);
    await ns.untilCaptured("stays");
    expect(await ns.get(TaskRuns, "stays")).toBeDefined();
  });
});

describe("a keyed run", () => {
  const keyed = (name: string, key: string, more: object = {}) =>
    taskRun(name, { ...once, idempotencyKey: key, ...more });

  test("a keyed run under another name fails with the name that it should have", async () => {
    const name = keyedRunName(ns.name, "", "order-1", 0);
    await ns.apply(keyed("my-name", "order-1"));
    const status = await ns.untilFinished("my-name");
    expect(status).toMatchObject({ phase: "Failed", reason: "IdempotencyKeyName" });
    expect(status.message).toContain(name);
  });

  test("a keyed run runs once for its key, also after its resource was retired", async () => {
    const name = keyedRunName(ns.name, "", "order-2", 0);
    const manifest = keyed(name, "order-2", { ttlSecondsAfterFinished: 0 });
    manifest.metadata = {
      ...manifest.metadata,
      labels: { [originLabel]: "api" },
    } as typeof manifest.metadata;
    await ns.apply(manifest);
    await isGone(name);
    await ns.apply(keyed(name, "order-2"));
    expect(await ns.untilFinished(name)).toMatchObject({ phase: "Completed", reason: "Duplicate" });
    const next = keyedRunName(ns.name, "", "order-2", 1);
    await ns.apply(keyed(next, "order-2", { idempotencyKeyGeneration: 1 }));
    expect((await ns.untilFinished(next)).attempts).toHaveLength(1);
  });
});
