/** How a finished run ended, as the SDK reads it: the output as the stored text, or the error. */
import { runId } from "@fairlead/protocol/ids";
import { maxInlineDataBytes } from "@fairlead/protocol/limits";
import { ownRef } from "../../model/keys/objectKey.ts";
import type { TaskRun } from "../../model/resources.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { loadOutputText } from "./data.ts";
import { errorOf } from "./wire/runObject.ts";

export async function loadResult(deps: { store: Stores<"get"> }, run: TaskRun) {
  const id = runId(run.metadata.name);
  const { phase, error } = run.status ?? {};
  const taskIdentifier = run.spec.task;
  if (phase === "Completed") {
    const outputRef = ownRef(run.metadata.namespace, run.status?.outputRef);
    // A large output is fetched from this path: packets.ts.
    if (outputRef && outputRef.size > maxInlineDataBytes)
      return { ok: true, id, taskIdentifier, output: `${id}/output`, outputType: "application/store" };
    const { text, type = "application/json" } = (await loadOutputText(deps, run)) ?? {};
    return { ok: true, id, taskIdentifier, output: text, outputType: type };
  }
  const {
    name = phase ?? "Error",
    message = run.status?.message ?? "",
    stackTrace = "",
  } = errorOf(error) ?? {};
  return { ok: false, id, taskIdentifier, error: { type: "BUILT_IN_ERROR", name, message, stackTrace } };
}
