import { expect, it } from "vitest";
import type { Task, TaskQueue, TaskRun } from "../../model/resources.ts";
import { undeclaredQueue } from "./ensureQueue.ts";

const inNamespace = (namespace: string, spec: object) => ({
  metadata: { namespace, name: "x", uid: "u" },
  spec,
});
const queues = [inNamespace("n", { name: "mail" }), inNamespace("other", { name: "mial" })] as TaskQueue[];
const tasks = [inNamespace("n", { id: "t", queue: { name: "sms" } })] as Task[];
const deps = {
  queues: {
    list: () => queues[Symbol.iterator](),
    byIndex: (_index: string, key: string) =>
      queues.filter(({ metadata, spec }) => `${metadata.namespace}/${spec.name}` === key),
  },
  tasks: { list: () => tasks[Symbol.iterator]() },
};
const run = (queue: TaskRun["spec"]["queue"]) => inNamespace("n", { task: "t", queue }) as TaskRun;

it.each<[string, TaskRun["spec"]["queue"], string | undefined]>([
  ["no name", undefined, undefined],
  ["a TaskQueue's name", { name: "mail" }, undefined],
  ["a Task's queue, before its TaskQueue exists", { name: "sms" }, undefined],
  ["a Task's own queue", { name: "task/other" }, expect.stringContaining('"task/other": it has no limit')],
  ["a name with a limit of its own", { name: "fresh", concurrencyLimit: 2 }, undefined],
  [
    "a slip of the pen",
    { name: "mial" },
    'No TaskQueue and no Task declares the queue "mial": it has no limit of its own. It may be mail.',
  ],
  [
    "another name",
    { name: "reports" },
    'No TaskQueue and no Task declares the queue "reports": it has no limit of its own.',
  ],
])("a run with %s", (_what, queue, expected) => expect(undeclaredQueue(deps, run(queue))).toEqual(expected));
