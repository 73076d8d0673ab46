/** The run whose code triggers another one, as the SDK names it with the trigger. */
import { idPrefix } from "@fairlead/protocol/ids";
import type { KubeClient } from "../../kube/client/client.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRunSpec } from "../../model/resources.ts";
import { isFinished } from "../../model/run/phase.ts";
import type { Caller } from "../http/caller.ts";
import { runOfId } from "../http/input.ts";
import { Problem } from "../http/problem.ts";

export interface ParentOptions {
  parentRunId?: string;
  /** The parent waits for what is triggered. */
  resumeParentOnCompletion?: boolean;
}

const namePattern = /^[a-z0-9]([-a-z0-9.]{0,56}[a-z0-9])?$/;

/**
 * Undefined when there is none, or it is gone: what is triggered stands for itself then. A public token is no
 * run's: what it triggers has no parent.
 */
export async function parentOf(
  client: Pick<KubeClient, "get">,
  { kind, namespace }: Pick<Caller, "kind" | "namespace">,
  { parentRunId, resumeParentOnCompletion: waits = false }: ParentOptions,
): Promise<TaskRunSpec["parent"]> {
  if (parentRunId === undefined || kind === "publicToken") {
    if (waits)
      throw new Problem(
        422,
        "parentRunId: missing: resumeParentOnCompletion needs the id of the run that waits",
      );
    return undefined;
  }
  const { name, uid } = runOfId(parentRunId);
  const found = namePattern.test(name) ? await client.get(TaskRuns, namespace, name) : undefined;
  const parent = uid === undefined || found?.metadata.uid === uid ? found : undefined;
  if (waits && (!parent || isFinished(parent))) {
    const shown = `${parentRunId.startsWith(idPrefix.run) ? "" : idPrefix.run}${parentRunId.slice(0, 100)}`;
    throw new Problem(
      422,
      `parentRunId: ${shown} ${parent ? "has ended" : "does not exist"}: only a run under way can wait`,
    );
  }
  return parent && { name, uid: parent.metadata.uid, ...(waits && { waits }) };
}
