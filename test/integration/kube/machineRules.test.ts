/** A larger machine after an out-of-memory kill is larger: the CRDs' rules, by a real API server. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import { Namespaces } from "../../../operator/src/kube/resources.ts";
import { TaskRuns, Tasks } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type ObjectMeta } from "../../../operator/src/model/resources.ts";
import { ApiServer } from "../../support/servers/apiServer.ts";

const namespace = "machines";
let api: ApiServer;
let client: KubeClient;
beforeAll(async () => {
  api = await ApiServer.start();
  client = api.client();
  await client.create(Namespaces, undefined, { metadata: { name: namespace } });
}, 60_000);
afterAll(async () => {
  await client?.close();
  await api?.stop();
});

type Spec = Record<string, unknown>;
const raisedTo = (machine: string): Spec => ({ retry: { outOfMemory: { machine } } });
const resources = { limits: { memory: "4Gi" } };
const container = { image: "i" };
const task = { image: "i" };

async function outcome(kind: "Task" | "TaskRun", spec: Spec): Promise<string> {
  const object = { apiVersion, kind, metadata: { name: "m", namespace } as ObjectMeta, spec };
  try {
    if (kind === "Task") await client.create(Tasks, namespace, object as never, { dryRun: true });
    else await client.create(TaskRuns, namespace, object as never, { dryRun: true });
    return "accepted";
  } catch (error) {
    return /retry\.outOfMemory\.machine must have more memory/.test(String(error))
      ? "refused"
      : String(error);
  }
}

test.each<[string, "Task" | "TaskRun", Spec, string]>([
  ["a larger machine", "Task", { ...task, machine: "small-1x", ...raisedTo("medium-1x") }, "accepted"],
  ["the same machine", "Task", { ...task, machine: "medium-1x", ...raisedTo("medium-1x") }, "refused"],
  ["a smaller machine", "Task", { ...task, machine: "large-1x", ...raisedTo("small-1x") }, "refused"],
  ["a larger one than the default", "Task", { ...task, ...raisedTo("small-2x") }, "accepted"],
  ["one as large as the default", "Task", { ...task, ...raisedTo("small-1x") }, "refused"],
  [
    "resources of its own",
    "Task",
    { ...task, podTemplate: { resources }, ...raisedTo("small-1x") },
    "accepted",
  ],
  ["a run's smaller one", "TaskRun", { task: "t", machine: "medium-2x", ...raisedTo("small-2x") }, "refused"],
  ["a run that does not know its Task's", "TaskRun", { task: "t", ...raisedTo("micro") }, "accepted"],
  ["a container's default", "TaskRun", { container, ...raisedTo("micro") }, "refused"],
  [
    "a container's resources",
    "TaskRun",
    { container: { ...container, resources }, ...raisedTo("large-1x") },
    "accepted",
  ],
  ["a retry without it", "TaskRun", { task: "t", machine: "large-2x", retry: { factor: 2 } }, "accepted"],
])("%s (%s)", async (_title, kind, spec, expected) => {
  expect(await outcome(kind, spec)).toBe(expected);
});
