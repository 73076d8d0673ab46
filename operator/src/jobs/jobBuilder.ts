/**
 * One attempt as a Kubernetes Job. Pure. Nothing in it authenticates, and nothing is what the run was given.
 *
 * Invariants
 *  - The name is `<run>-<attempt>`, so creating it twice is AlreadyExists and never a second Job.
 *  - One pod, one container start: backoffLimit 0, restartPolicy Never, podReplacementPolicy Failed.
 *  - The pod passes Pod Security `restricted`, unless values allow root or volumes of the node (podPolicy.ts,
 *    which refuses everything else before a Job is built). A security context of its template adds to that.
 *  - Memory and local disk have a limit.
 *  - No service account token for Kubernetes, unless the template names a service account; always one for
 *    our own API (podToken.ts).
 *  - activeDeadlineSeconds is the last resort, behind startTimeout and maxDuration, while no controller runs.
 */
import {
  attemptLabel,
  managedByLabel,
  managerName,
  runLabel,
  runUidLabel,
  taskLabel,
} from "@fairlead/protocol/labels";
import type {
  V1Container,
  V1EnvVar,
  V1Job,
  V1PodSecurityContext,
  V1PodSpec,
  V1ResourceRequirements,
} from "@kubernetes/client-node";
import { envSecretName } from "../model/envVars.ts";
import { type Attempt, apiVersion, type PodTemplate, type TaskRun } from "../model/resources.ts";
import { accessNote } from "../model/run/accessNote.ts";
import { containerName } from "../model/run/attempts.ts";
import { retryNote } from "../model/run/retryNote.ts";
import { withHeapOption } from "./heap.ts";
import type { PodPolicy } from "./podPolicySettings.ts";
import { podTokenMount, podTokenVolume } from "./podToken.ts";
import { type ContainerProgram, type Program, resourcesOf } from "./program.ts";
import { quantity } from "./quantity.ts";
import { slotNote } from "./slotNote.ts";

/** For a Job that no controller is left to remove: long after the log of every other one was captured. */
const leftoverSeconds = 7 * 24 * 3600;
export const backstopMarginSeconds = 60;
const nodeLossTolerationSeconds = 30;

/** Of podPolicy.ts: the limits of a container that sets none. */
type Ceilings = Partial<Pick<PodPolicy, "max" | "ephemeralStorageLimit" | "readOnlyRootFilesystem">>;

/** `env`: of attemptEnv.ts. */
export function buildJob(
  run: TaskRun,
  attempt: Attempt,
  program: Program,
  env: V1EnvVar[],
  ceilings: Ceilings = {},
): V1Job {
  const labels: Record<string, string> = {
    [managedByLabel]: managerName,
    [runLabel]: run.metadata.name,
    [runUidLabel]: run.metadata.uid,
    [attemptLabel]: String(attempt.number),
    ...(program.kind === "task" ? { [taskLabel]: program.taskName } : {}),
  };
  const template = program.podTemplate;
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: attempt.job,
      namespace: run.metadata.namespace,
      labels,
      annotations: { ...slotNote(run, attempt), ...retryNote(program.retry), ...accessNote(program.access) },
      ownerReferences: [
        {
          apiVersion,
          kind: "TaskRun",
          name: run.metadata.name,
          uid: run.metadata.uid,
          controller: true,
          // Without the right to set finalizers on TaskRuns this may not be true, and nothing needs it.
          blockOwnerDeletion: false,
        },
      ],
    },
    spec: {
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      podReplacementPolicy: "Failed",
      ttlSecondsAfterFinished: leftoverSeconds,
      activeDeadlineSeconds:
        program.startTimeoutSeconds +
        program.maxDurationSeconds +
        program.gracePeriodSeconds +
        backstopMarginSeconds,
      template: {
        metadata: {
          labels: { ...template.labels, ...labels },
          annotations: { ...template.annotations, ...slotNote(run, attempt) },
        },
        spec: podSpec(program, env, ceilings),
      },
    },
  };
}

/** What every pod has, whatever its template says. */
const restricted = { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } };
const ids = { runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 };

function podSpec(program: Program, env: V1EnvVar[], ceilings: Ceilings): V1PodSpec {
  const template = program.podTemplate;
  const scratch = needsScratch(template, ceilings);
  return {
    restartPolicy: "Never",
    serviceAccountName: template.serviceAccountName,
    automountServiceAccountToken: template.serviceAccountName !== undefined,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: program.gracePeriodSeconds,
    securityContext: { ...restricted, ...(template.securityContext ? given(template.securityContext) : ids) },
    nodeSelector: template.nodeSelector,
    affinity: template.affinity as V1PodSpec["affinity"],
    priorityClassName: template.priorityClassName,
    runtimeClassName: template.runtimeClassName,
    imagePullSecrets: template.imagePullSecrets,
    tolerations: [
      ...["not-ready", "unreachable"].map((taint) => ({
        key: `node.kubernetes.io/${taint}`,
        operator: "Exists",
        effect: "NoExecute",
        tolerationSeconds: nodeLossTolerationSeconds,
      })),
      ...((template.tolerations ?? []) as NonNullable<V1PodSpec["tolerations"]>),
    ],
    volumes: [
      ...withScratch(template.volumes, scratch, { name: scratchVolume, emptyDir: {} }),
      podTokenVolume,
    ],
    containers: [mainContainer(program, template, env, ceilings)],
  };
}

/** A null is a field that is not there: it must not take a default away. */
const given = (fields: Record<string, unknown>): V1PodSecurityContext =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

/** A root that is read only leaves /tmp to write to. */
const scratchVolume = "fairlead-tmp";
const scratchPath = "/tmp";

const isReadOnly = ({ readOnlyRootFilesystem }: PodTemplate, ceilings: Ceilings): boolean =>
  readOnlyRootFilesystem ?? ceilings.readOnlyRootFilesystem ?? false;

const needsScratch = (template: PodTemplate, ceilings: Ceilings): boolean =>
  isReadOnly(template, ceilings) &&
  !template.volumeMounts?.some(({ mountPath }) => String(mountPath).replace(/\/+$/, "") === scratchPath);

function withScratch<T>(own: unknown[] | undefined, scratch: boolean, one: T): T[] {
  const theirs = (own ?? []) as T[];
  return scratch ? [...theirs, one] : theirs;
}

function mainContainer(
  program: Program,
  template: PodTemplate,
  env: V1EnvVar[],
  ceilings: Ceilings,
): V1Container {
  const own: Partial<ContainerProgram> = program.kind === "container" ? program : {};
  const templateEnv = (template.env ?? []) as V1EnvVar[];
  return {
    name: containerName,
    image: program.image,
    imagePullPolicy: own.imagePullPolicy ?? "IfNotPresent",
    command: own.command,
    args: own.args,
    workingDir: own.workingDir,
    // Ours last: a later entry wins, and a user's variable must not hide the attempt's identity.
    env: [
      ...(program.kind === "task" ? withHeapOption(templateEnv) : templateEnv),
      ...(own.env ?? []),
      ...env,
    ],
    // The namespace's variables first: what the Task or the run sets itself wins.
    envFrom: [
      { secretRef: { name: envSecretName, optional: true } },
      ...(template.envFrom ?? []),
      ...(own.envFrom ?? []),
    ] as V1Container["envFrom"],
    resources: limited(resourcesOf(program), ceilings),
    volumeMounts: [
      ...withScratch(template.volumeMounts, needsScratch(template, ceilings), {
        name: scratchVolume,
        mountPath: scratchPath,
      }),
      podTokenMount,
    ],
    // Without a message of its own a failed container has the end of its log there: at most 2,048 bytes or 80
    // lines.
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      ...(isReadOnly(template, ceilings) && { readOnlyRootFilesystem: true }),
    },
  };
}

/**
 * A limit that is not set is the ceiling. What is requested of the disk is nothing, unless somebody says so:
 * Kubernetes would request the limit.
 */
function limited(resources: V1ResourceRequirements, ceilings: Ceilings): V1ResourceRequirements {
  const { max, ephemeralStorageLimit: disk } = ceilings;
  const { requests, limits } = resources;
  const key = "ephemeral-storage";
  const withMemory = max?.memory === undefined ? limits : { memory: max.memory, ...limits };
  if (disk === undefined || limits?.[key] !== undefined) return { ...resources, limits: withMemory };
  // A request above the default raises the limit to itself.
  const asked = requests?.[key];
  const limit = asked !== undefined && quantity(asked) > quantity(disk) ? asked : disk;
  return {
    ...resources,
    requests: { [key]: "0", ...requests },
    limits: { ...withMemory, [key]: limit },
  };
}
