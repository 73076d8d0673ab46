/** The run that a request names, and changes of its spec. */
import { runId } from "@fairlead/protocol/ids";
import type { Request, Response } from "express";
import { type KubeClient, KubeError } from "../../kube/client/client.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import { allow } from "../auth/auth.ts";
import { param, runOfId } from "../http/input.ts";
import { notFound, Problem, refusal } from "../http/problem.ts";
import type { ReadRun, RunReader } from "./reader.ts";

export interface RunAccessDeps {
  client: Pick<KubeClient, "patch">;
  reader: Pick<RunReader, "get">;
}

/** The run of the path in the caller's namespace. */
export async function findRun(
  deps: RunAccessDeps,
  request: Request,
  response: Response,
  verb: "read" | "write",
): Promise<ReadRun> {
  const { name, uid } = runOfId(param(request, "id"));
  const id = runId(name, uid);
  const { namespace } = allow(response, `${verb}:runs:${id}`);
  const run = await deps.reader.get(namespace, name, uid);
  if (!run) throw notFound(`run ${id}`);
  return run;
}

/** With a resourceVersion only if the run has not changed since. A retired run cannot change any more. */
export async function patchSpec(
  deps: RunAccessDeps,
  run: TaskRun,
  spec: Partial<TaskRun["spec"]>,
  resourceVersion?: string,
): Promise<TaskRun> {
  const { namespace, name, uid } = run.metadata;
  const body = { metadata: { uid, resourceVersion }, spec };
  try {
    return await deps.client.patch(TaskRuns, namespace, name, body, { type: "merge" });
  } catch (error) {
    if (KubeError.is(error, "NotFound"))
      throw new Problem(422, "The run has ended: it cannot change any more");
    if (KubeError.is(error, "Conflict")) throw new Problem(409, "The run was changed concurrently: retry");
    throw refusal(error);
  }
}
