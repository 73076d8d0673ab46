/**
 * Why an attempt does not start, and what follows; the same kind of rows as in attemptEnds.ts. `patience`:
 * how long it is waited for before the verdict applies.
 */
import type { EndRow } from "./endRow.ts";

const any = /^/;
const never = { verdict: "never", patience: "none" } as const;
/** What is missing may be about to be created: GitOps applies in any order. */
const soonNever = { verdict: "never", patience: "minute" } as const;
/** The slot is for others meanwhile; it is tried again. */
const later = { verdict: "again", patience: "minute" } as const;
const waits = { verdict: "again", patience: "startTimeout" } as const;

/** Why a pod that is there does not start: the container's state `waiting`, or an Event of the pod. */
export const waiting: readonly EndRow[] = [
  {
    shown: "InvalidImageName",
    reason: /^InvalidImageName$/,
    ...never,
    says: "The image's name is none: {message}",
  },
  {
    shown: "CreateContainerConfigError: runAsNonRoot, runAsUser",
    reason: /^CreateContainerConfigError$/,
    message: /runAsNonRoot|runAsUser/,
    ...never,
    says: "The image and the pod's security context contradict each other: {message}",
  },
  {
    shown: "CreateContainerError: no command specified",
    reason: /^CreateContainerError$/,
    message: /no command specified/,
    ...never,
    says: "Neither the image nor the run names a command: {message}",
  },
  {
    shown: "ErrImageNeverPull",
    reason: /^ErrImageNeverPull$/,
    ...never,
    says: "No node may pull the image, and this one does not have it: {message}",
  },
  {
    // A resolver says "temporary" of any name that it does not know while it has no server to ask.
    shown: "ErrImagePull, ImagePullBackOff: the registry's name cannot be looked up",
    reason: /^(ErrImagePull|ImagePullBackOff)$/,
    message: /lookup [^:]*:.*(no such host|failure in name resolution)/,
    ...soonNever,
    says: "The image's registry is not known: {message}",
  },
  {
    shown: "ErrImagePull, ImagePullBackOff: toomanyrequests, timeouts, 5xx",
    reason: /^(ErrImagePull|ImagePullBackOff)$/,
    message:
      /toomanyrequests|timeout|timed out|deadline exceeded|server misbehaving|connection re|temporar|\b5\d\d\b|EOF/i,
    ...later,
    says: "{message}",
  },
  {
    shown: "ErrImagePull, ImagePullBackOff: not found, denied, no match for platform, no such host",
    reason: /^(ErrImagePull|ImagePullBackOff)$/,
    message:
      /not found|manifest unknown|denied|authorization failed|unauthorized|no match for platform|no such host|name unknown|no basic auth/i,
    ...soonNever,
    says: "The image cannot be pulled: {message}",
  },
  {
    shown: "ErrImagePull, ImagePullBackOff: a certificate, no TLS, a manifest that is none",
    reason: /^(ErrImagePull|ImagePullBackOff)$/,
    message:
      /x509|HTTP response to HTTPS client|invalid reference format|unsupported (media|manifest)|invalid tar/i,
    ...soonNever,
    says: "The image cannot be pulled: {message}",
  },
  {
    shown: "ErrImagePull, ImagePullBackOff, RegistryUnavailable: anything else",
    reason: /^(ErrImagePull|ImagePullBackOff|RegistryUnavailable)$/,
    ...later,
    says: "{message}",
  },
  {
    shown: "SignatureValidationFailed",
    reason: /^SignatureValidationFailed$/,
    ...soonNever,
    says: "The image's signature is not accepted: {message}",
  },
  {
    shown: "CreateContainerConfigError: failed to sync, timed out",
    reason: /^CreateContainerConfigError$/,
    message: /failed to sync|deadline exceeded|timed out/,
    ...waits,
    says: "{message}",
  },
  {
    shown: "CreateContainerConfigError: secret, configmap or key not found",
    reason: /^CreateContainerConfigError$/,
    ...soonNever,
    says: "Something that the container refers to is missing: {message}",
  },
  {
    shown: "CreateContainerError: deadline, name is reserved",
    reason: /^CreateContainerError$/,
    message: /deadline exceeded|is reserved|timed out/,
    ...waits,
    says: "{message}",
  },
  {
    shown: "CreateContainerError",
    reason: /^CreateContainerError$/,
    ...soonNever,
    says: "The container cannot be made: {message}",
  },
  {
    shown: "FailedMount: not found",
    reason: /^FailedMount$/,
    message: /not found|references non-existent/,
    ...soonNever,
    says: "A volume cannot be mounted: {message}",
  },
  {
    shown: "PostStartHookError",
    reason: /^PostStartHookError$/,
    verdict: "policy",
    patience: "startTimeout",
    says: "{message}",
  },
  {
    shown: "ImageInspectError, FailedCreatePodSandBox, FailedMount, FailedAttachVolume, anything else",
    reason: any,
    ...waits,
    says: "{message}",
  },
];

/** Why a pod has no node: its condition PodScheduled. */
export const unscheduled: readonly EndRow[] = [
  {
    shown: "SchedulingGated",
    reason: /^SchedulingGated$/,
    verdict: "room",
    patience: "startTimeout",
    says: "{message}",
  },
  { shown: "SchedulerError", reason: /^SchedulerError$/, ...waits, says: "{message}" },
  {
    shown: "Unschedulable: persistentvolumeclaim not found",
    reason: /^Unschedulable$/,
    message: /persistentvolumeclaim "[^"]*" (not found|is being deleted)|unbound immediate/,
    ...soonNever,
    says: "A PersistentVolumeClaim is missing: {message}",
  },
  {
    shown: "Unschedulable: no node is large enough, or has what the pod selects",
    reason: /^NeverSchedulable$/,
    ...soonNever,
    says: "No node can ever take the pod as nodes are now: {message}",
  },
  { shown: "Unschedulable", reason: any, verdict: "room", patience: "startTimeout", says: "{message}" },
];

/** Why a Job has no pod: the message of its Event FailedCreate, or of the API server's refusal. */
export const noPod: readonly EndRow[] = [
  {
    shown: "exceeded quota, by its size alone",
    reason: /^QuotaTooSmall$/,
    ...never,
    says: "The quota allows less than one pod of this run needs: {message}",
  },
  {
    shown: "exceeded quota",
    reason: any,
    message: /exceeded quota/,
    verdict: "room",
    patience: "startTimeout",
    says: "{message}",
  },
  {
    shown: "failed quota: must specify …",
    reason: any,
    message: /failed quota: .*must specify/,
    ...never,
    says: "The quota demands a value that the pod does not set (machines set no CPU limit; podTemplate.resources can): {message}",
  },
  {
    shown: "maximum, minimum … per Container, per Pod (LimitRange)",
    reason: any,
    message: /(maximum|minimum) .* usage per (Container|Pod)|limit to request ratio/,
    ...never,
    says: "A LimitRange does not allow the pod's resources: {message}",
  },
  {
    shown: "violates PodSecurity",
    reason: any,
    message: /violates PodSecurity/,
    ...never,
    says: "The namespace does not allow such a pod: {message}",
  },
  {
    shown: "Pod … is invalid",
    reason: any,
    message: /Pod "[^"]*" is invalid/,
    ...never,
    says: "The pod is not valid: {message}",
  },
  {
    shown: "service account, PriorityClass, RuntimeClass not found",
    reason: any,
    message: /serviceaccount "[^"]*" not found|no PriorityClass|(RuntimeClass|runtimeclass).*not found/,
    ...soonNever,
    says: "Something that the pod refers to is missing: {message}",
  },
  {
    shown: "admission webhook … denied the request",
    reason: any,
    message: /admission webhook .* denied the request/,
    ...soonNever,
    says: "A policy of the cluster refuses the pod: {message}",
  },
  { shown: "failed calling webhook, timeouts, anything else", reason: any, ...waits, says: "{message}" },
];
