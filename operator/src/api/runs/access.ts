/** The run that a request names, and changes of its spec. */
import { runId } from "@fairlead/protocol/ids";
import type { Request, Response } from "express";
import { type KubeClient, KubeError } from "../../kube/client/client.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import { demand, demandSome, may, subjectOf } from "../auth/rights.ts";
import { callerIn } from "../http/caller.ts";
import { param, runOfId } from "../http/input.ts";
import { notFound, Problem, refusal } from "../http/problem.ts";
import type { ReadRun, RunReader } from "./reader.ts";

export interface RunAccessDeps {
  client: Pick<KubeClient, "patch">;
  reader: Pick<RunReader, "get">;
}

/**
 * The run of the path in the caller's namespace. Rights may name its id, task, tags or batch; to whom none
 * allows it, a run that is there and one that is not are the same.
 */
export async function findRun(
  deps: Pick<RunAccessDeps, "reader">,
  request: Request,
  response: Response,
  verb: "read" | "write",
): Promise<ReadRun> {
  const { name, uid } = runOfId(param(request, "id"));
  const id = runId(name, uid);
  const caller = callerIn(response);
  demandSome(caller, verb, ["runs", "tags", "tasks", "batch"]);
  const run = await deps.reader.get(caller.namespace, name, uid);
  if (!run || !may(caller, verb, subjectOf(id, run))) demand(caller, verb, { runs: id });
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
