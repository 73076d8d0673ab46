/**
 * One attempt as a Kubernetes Job. Pure: everything that needs I/O (token, URLs, payload) comes in.
 *
 * Invariants
 *  - The name is `<run>-<attempt>`, so creating it twice is AlreadyExists and never a second Job.
 *  - One pod, one container start: backoffLimit 0, restartPolicy Never, podReplacementPolicy Failed.
 *  - The pod passes Pod Security `restricted`, unless its template asks for less.
 *  - No service account token, unless the template names a service account.
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
import type { V1Container, V1EnvVar, V1Job, V1PodSpec } from "@kubernetes/client-node";
import { envSecretName } from "../model/envVars.ts";
import { type Attempt, apiVersion, type PodTemplate, type TaskRun } from "../model/resources.ts";
import { withHeapOption } from "./heap.ts";
import { type ContainerProgram, type Program, resourcesOf } from "./program.ts";
import { slotNote } from "./slotNote.ts";

/** For a Job that no controller is left to remove: long after the log of every other one was captured. */
const leftoverSeconds = 7 * 24 * 3600;
const backstopMarginSeconds = 60;
const nodeLossTolerationSeconds = 30;

export const containerName = "main";

/** `env`: what the container needs to reach its payload, its output and the API (attemptEnv.ts). */
export function buildJob(run: TaskRun, attempt: Attempt, program: Program, env: V1EnvVar[]): V1Job {
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
      annotations: slotNote(run, attempt),
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
        spec: podSpec(program, env),
      },
    },
  };
}

function podSpec(program: Program, env: V1EnvVar[]): V1PodSpec {
  const template = program.podTemplate;
  return {
    restartPolicy: "Never",
    serviceAccountName: template.serviceAccountName,
    automountServiceAccountToken: template.serviceAccountName !== undefined,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: program.gracePeriodSeconds,
    securityContext: (template.securityContext as V1PodSpec["securityContext"]) ?? {
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      fsGroup: 65532,
      seccompProfile: { type: "RuntimeDefault" },
    },
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
    volumes: template.volumes as unknown as V1PodSpec["volumes"],
    containers: [mainContainer(program, template, env)],
  };
}

function mainContainer(program: Program, template: PodTemplate, env: V1EnvVar[]): V1Container {
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
    resources: resourcesOf(program),
    volumeMounts: template.volumeMounts as unknown as V1Container["volumeMounts"],
    // Without a message of its own a failed container has the end of its log there: at most 2,048 bytes or 80
    // lines.
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: template.securityContext
      ? undefined
      : { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  };
}
