/**
 * TaskRuns as the controller's cache holds them: without what would fill its memory and is needed once. A
 * payload is replaced by its size and its SHA-256, so that a payload that was edited later is noticed. Big
 * metadata, programs, outputs, messages and stack traces are left out, which is noted: code that needs them
 * reads the run live (wholeRun.ts), and a status is written on the base of a whole one only.
 */
import { ownMetadata } from "../../model/ownMetadata.ts";
import type { TaskRun, TaskRunSpec, TaskRunStatus } from "../../model/resources.ts";
import { type PayloadSummary, payloadText, summarize } from "../../runs/payloadText.ts";

export interface CachedRun extends TaskRun {
  /** Absent for a run without a payload in its spec. */
  payload?: PayloadSummary;
  /** What lacks a part. */
  cut?: Cut;
}

/** `spec`: metadata, or what a pod is made of. */
interface Cut {
  spec?: true;
  status?: true;
}

/** What is kept of metadata, of a program, and of output and errors together: most have less. */
const keptBytes = 2048;
/** Of the message of an earlier attempt's error. */
const keptMessage = 100;

/** Transform of the TaskRun informer. */
export function toCachedRun(run: CachedRun): CachedRun {
  const text = payloadText(run.spec);
  const { payload: _payload, payloadData: _data, ...whole } = run.spec;
  const spec = withoutProgram(withoutMetadata(whole));
  const status = run.status && withoutBodies(run.status);
  const cut: Cut = {
    ...run.cut,
    ...(spec !== whole && { spec: true }),
    ...(status !== run.status && { status: true }),
  };
  return {
    ...run,
    metadata: ownMetadata(run.metadata),
    spec,
    ...(status && { status }),
    ...(text !== undefined && { payload: summarize(text) }),
    ...((cut.spec || cut.status) && { cut }),
  };
}

function withoutMetadata(spec: TaskRunSpec): TaskRunSpec {
  if (jsonBytes(spec.metadata) <= keptBytes) return spec;
  const { metadata: _, ...kept } = spec;
  return kept;
}

/** Whether it is a container, and what its retries and its time limits follow from, stays. */
function withoutProgram(spec: TaskRunSpec): TaskRunSpec {
  const { container, podTemplate } = spec;
  if (jsonBytes([container, podTemplate]) <= keptBytes) return spec;
  const kept = { ...spec };
  if (container) kept.container = { image: container.image, ...smallResources(container) };
  if (podTemplate) {
    const { terminationGracePeriodSeconds } = podTemplate;
    kept.podTemplate = { terminationGracePeriodSeconds, ...smallResources(podTemplate) };
  }
  return kept;
}

const smallResources = <R>({ resources }: { resources?: R }): { resources?: R } =>
  resources !== undefined && jsonBytes(resources) <= keptBytes / 2 ? { resources } : {};

function withoutBodies(status: TaskRunStatus): TaskRunStatus {
  const { output, error, attempts = [] } = status;
  const errors = [error, ...attempts.map((attempt) => attempt.error)];
  const bytes = errors.reduce(
    (sum, one) => sum + (one?.stack?.length ?? 0) + (one?.message.length ?? 0),
    jsonBytes(output),
  );
  if (bytes <= keptBytes) return status;
  const { output: _output, ...kept } = status;
  if (error) kept.error = withoutStack(error);
  if (status.attempts)
    kept.attempts = attempts.map((one) =>
      one.error
        ? { ...one, error: { ...withoutStack(one.error), message: one.error.message.slice(0, keptMessage) } }
        : one,
    );
  return kept;
}

const withoutStack = <E extends { stack?: string }>({ stack: _stack, ...error }: E): E => error as E;

const jsonBytes = (value: unknown): number =>
  value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));

/** Values of the index "missingTask": the Task that the run waits for. */
export const missingTaskIndex = ({ metadata, spec, status }: CachedRun): string[] =>
  status?.reason === "TaskNotFound" && spec.task ? [`${metadata.namespace}/${spec.task}`] : [];
