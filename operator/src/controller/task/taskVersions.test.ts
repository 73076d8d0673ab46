import type { V1ControllerRevision } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import type { Task } from "../../model/resources.ts";
import { TaskVersions } from "./taskVersions.ts";

const task = (uid: string, change: Partial<Task["metadata"]> = {}): Task => ({
  apiVersion: "",
  kind: "Task",
  metadata: { namespace: "n", name: "t", uid, ...change },
  spec: { id: "task", image: "i" },
});

/** An API server that has only ControllerRevisions. */
function cluster() {
  const objects = new Map<string, V1ControllerRevision>();
  const client = {
    get: async (_resource: unknown, _namespace: string, name: string) => objects.get(name),
    create: async (_resource: unknown, _namespace: string, object: V1ControllerRevision) => {
      const name = object.metadata?.name ?? "";
      objects.set(name, { ...object, metadata: { ...object.metadata, uid: `uid of ${name}` } });
    },
    patch: async (_resource: unknown, _namespace: string, name: string, patch: { metadata: object }) => {
      const found = objects.get(name);
      objects.set(name, {
        ...found,
        metadata: { ...found?.metadata, ...patch.metadata },
      } as V1ControllerRevision);
    },
  };
  /** A new leader knows nothing. */
  return { objects, versions: () => new TaskVersions(client as never) };
}

test("a version has no owner, and is read by its name without its Task", async () => {
  const { objects, versions } = cluster();
  const { revision } = await versions().pin(task("t1"));
  expect(objects.get(revision)?.metadata?.ownerReferences).toBeUndefined();
  expect(await versions().read("n", revision)).toMatchObject({ name: "t", id: "task", spec: { image: "i" } });
});

test("a Task that is applied again as it was has the same version; renamed it has another, and the first stays", async () => {
  const { objects, versions } = cluster();
  const first = await versions().pin(task("t1"));
  expect(await versions().pin(task("t2"))).toEqual(first);
  const renamed = await versions().pin(task("t3", { name: "renamed" }));
  expect([...objects.keys()]).toEqual([first.revision, renamed.revision]);
});

test("a version that is there with an owner is freed from it, so that it does not go with that Task", async () => {
  const { objects, versions } = cluster();
  const { revision } = await versions().pin(task("t1"));
  const stored = objects.get(revision) as V1ControllerRevision;
  const owner = { apiVersion: "fairlead.dev/v1alpha1", kind: "Task", name: "t", uid: "t0" };
  objects.set(revision, { ...stored, metadata: { ...stored.metadata, ownerReferences: [owner] } });
  await versions().pin(task("t1"));
  expect(objects.get(revision)?.metadata?.ownerReferences).toBeNull();
});

test("a version that was deleted is stored again, one that is something else is refused", async () => {
  const { objects, versions } = cluster();
  const { revision } = await versions().pin(task("t1"));
  objects.clear();
  await versions().pin(task("t1"));
  const stored = objects.get(revision) as V1ControllerRevision;
  objects.set(revision, { ...stored, data: { name: "t", id: "task", spec: { image: "other" } } });
  await expect(versions().pin(task("t1"))).rejects.toThrow("is not a version of Task t");
});
