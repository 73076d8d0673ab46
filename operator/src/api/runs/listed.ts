/**
 * A run as lists know it: the same fields, whether it is live or retired. Payload and output are left out,
 * and metadata that are too long; about a kilobyte a run.
 */
import { idempotencyKeyAnnotation } from "@fairlead/protocol/labels";
import { ownMetadata } from "../../model/ownMetadata.ts";
import type { TaskRun } from "../../model/resources.ts";
import { listedMetadata } from "../../model/run/triggerFields.ts";
import type { RunSummary } from "../../storage/runHistory.ts";

export function fromLive(run: TaskRun): TaskRun {
  const {
    payload: _payload,
    payloadData: _data,
    podTemplate: _pod,
    metadata: _metadata,
    container,
    retry: _retry,
    ...spec
  } = run.spec;
  const {
    output: _output,
    attempts: _attempts,
    conditions: _conditions,
    error,
    ...status
  } = run.status ?? {};
  const { stack: _stack, ...shown } = error ?? {};
  const { ownerReferences, ...meta } = ownMetadata(run.metadata);
  // A batch's uid tells its runs from those of an earlier batch of its name.
  const owners = ownerReferences?.filter(({ kind }) => kind === "TaskBatch");
  if (owners?.length) Object.assign(meta, { ownerReferences: owners });
  const metadata = listedMetadata(run.spec);
  const kept = {
    ...spec,
    ...(metadata === undefined ? {} : { metadata }),
    ...(container ? { container: { image: container.image } } : {}),
  };
  const listed = { ...status, ...(error && { error: shown as typeof error }) };
  return { ...run, metadata: meta, spec: kept, ...(run.status ? { status: listed } : {}) };
}

export function fromSummary(namespace: string, summary: RunSummary): TaskRun {
  const { name, uid, createdAt, labels, shownKey, spec, status } = summary;
  const annotations = shownKey === undefined ? undefined : { [idempotencyKeyAnnotation]: shownKey };
  return {
    apiVersion: "",
    kind: "TaskRun",
    metadata: { namespace, name, uid, labels, annotations, creationTimestamp: createdAt },
    spec,
    status,
  };
}
