/**
 * What one attempt executes, resolved from the run, the pinned version of its Task and the defaults.
 * Order of precedence for every setting: the run's spec, the Task's, the chart's default.
 */
import type { MachineName } from "@fairlead/protocol/machines";
import type { V1EnvVar, V1ResourceRequirements } from "@kubernetes/client-node";
import type { Attempt, PodTemplate, Retry, TaskRun, TaskSpec } from "../model/resources.ts";
import { type RetryPolicy, retryPolicy } from "../model/run/retry.ts";
import { isLarger, machineResources, raisedResources } from "./machine.ts";

/** The part of a Task that a version pins; the data of its ControllerRevision. */
export interface PinnedTask {
  name: string;
  id: string;
  spec: Pick<
    TaskSpec,
    | "access"
    | "image"
    | "bundle"
    | "entry"
    | "podTemplate"
    | "machine"
    | "retry"
    | "maxDurationSeconds"
    | "startTimeoutSeconds"
    | "allowOverrides"
  >;
}

export interface Defaults {
  maxDurationSeconds: number;
  startTimeoutSeconds: number;
  /** Of a Task whose code is in the bucket; empty or absent: there are none. */
  runtimeImage?: string;
}

export type Program = TaskProgram | ContainerProgram;

interface CommonProgram {
  image: string;
  machine?: MachineName;
  /** Set for an attempt after one that was out of memory: it wins over explicit resources. */
  raisedMachine?: MachineName;
  podTemplate: PodTemplate;
  maxDurationSeconds: number;
  startTimeoutSeconds: number;
  gracePeriodSeconds: number;
  retry: RetryPolicy;
  /** Scopes of its code at the API; absent: the default. */
  access?: string[];
}

/** A task in its image, started by the runner. */
export interface TaskProgram extends CommonProgram {
  kind: "task";
  taskName: string;
  taskId: string;
  /** File with the compiled tasks, in the image, or in the bundle. */
  entry: string;
  /** Where the code is, when it is not in the image. */
  bundle?: TaskSpec["bundle"];
}

/** An inline container, as the run describes it. */
export interface ContainerProgram extends CommonProgram {
  kind: "container";
  command?: string[];
  args?: string[];
  workingDir?: string;
  imagePullPolicy?: string;
  env: V1EnvVar[];
  envFrom: Record<string, unknown>[];
  resources?: Record<string, unknown>;
}

const defaultGraceSeconds = 30;

/** Resolves the program of a run; `task` is its pinned version, absent for an inline container. */
export function resolveProgram(
  run: TaskRun,
  task: PinnedTask | undefined,
  defaults: Defaults,
  attempt?: Attempt,
): Program {
  const { spec } = run;
  const podTemplate = mergeTemplates(task?.spec.podTemplate, spec.podTemplate);
  const common = {
    podTemplate,
    raisedMachine: attempt?.machine,
    machine: attempt?.machine ?? spec.machine ?? task?.spec.machine,
    maxDurationSeconds:
      spec.maxDurationSeconds ?? task?.spec.maxDurationSeconds ?? defaults.maxDurationSeconds,
    startTimeoutSeconds:
      spec.startTimeoutSeconds ?? task?.spec.startTimeoutSeconds ?? defaults.startTimeoutSeconds,
    gracePeriodSeconds: podTemplate.terminationGracePeriodSeconds ?? defaultGraceSeconds,
    retry: retryPolicy(run, task?.spec.retry as Retry | undefined),
    access: task?.spec.access,
  };
  if (spec.container) {
    const { container } = spec;
    return {
      ...common,
      kind: "container",
      image: container.image,
      command: container.command,
      args: container.args,
      workingDir: container.workingDir,
      imagePullPolicy: container.imagePullPolicy,
      env: (container.env ?? []) as V1EnvVar[],
      envFrom: container.envFrom ?? [],
      resources: container.resources,
    };
  }
  if (!task) throw new Error(`run ${run.metadata.name} has neither a container nor a Task`);
  const image = task.spec.image ?? defaults.runtimeImage;
  if (!image)
    throw new Error(
      `Task ${task.name} has a bundle, and the release no image for it: set runtimeImage in the chart's values`,
    );
  return {
    ...common,
    kind: "task",
    taskName: task.name,
    taskId: task.id,
    image,
    entry: task.spec.entry ?? "/app/tasks.mjs",
    bundle: task.spec.bundle,
  };
}

/** What the container gets. */
export function resourcesOf(program: Program): V1ResourceRequirements {
  const own = program.kind === "container" ? program.resources : undefined;
  const explicit = (own ?? program.podTemplate.resources) as V1ResourceRequirements | undefined;
  if (program.raisedMachine) return raisedResources(explicit, program.raisedMachine);
  return explicit ?? machineResources(program.machine);
}

/** The policy, without a machine for memory that would have no more of it than the container has now. */
export function retryOf(program: Program): RetryPolicy {
  const { outOfMemoryMachine } = program.retry;
  if (!outOfMemoryMachine || isLarger(outOfMemoryMachine, resourcesOf(program))) return program.retry;
  return { ...program.retry, outOfMemoryMachine: undefined };
}

/** The run's template over the Task's: maps and lists add up, single values are replaced. */
function mergeTemplates(base: PodTemplate | undefined, over: PodTemplate | undefined): PodTemplate {
  if (!base || !over) return over ?? base ?? {};
  const merged: PodTemplate = { ...base, ...over };
  for (const key of ["labels", "annotations", "nodeSelector"] as const) {
    if (base[key] || over[key]) merged[key] = { ...base[key], ...over[key] };
  }
  merged.env = byName(base.env, over.env);
  merged.volumes = byName(base.volumes, over.volumes);
  merged.imagePullSecrets = byName(base.imagePullSecrets, over.imagePullSecrets);
  for (const key of ["tolerations", "envFrom", "volumeMounts"] as const) {
    if (base[key] || over[key]) merged[key] = [...(base[key] ?? []), ...(over[key] ?? [])];
  }
  return merged;
}

function byName<T extends { name?: unknown }>(base: T[] | undefined, over: T[] | undefined): T[] | undefined {
  if (!base || !over) return over ?? base;
  const names = new Set(over.map((item) => item.name));
  return [...base.filter((item) => !names.has(item.name)), ...over];
}
