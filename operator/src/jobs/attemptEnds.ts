/**
 * How an attempt can end, or be refused to start: whose fault it is, and what follows. Data; the rows are
 * asked in their order, and the first that matches decides.
 *
 * Two rules behind it. What no user code caused costs no attempt of the user's. And what can never pass is
 * not waited for and not tried again; that is only what the run itself contradicts, since a user may still
 * push an image, make a Secret or add a node.
 */

import type { EndRow, Facts } from "./endRow.ts";
import { noPod, unscheduled, waiting } from "./startEnds.ts";

const any = /^/;
/** The kubelet refused the pod: phase Failed, and no container was ever made. */
const refused: readonly EndRow[] = [
  {
    shown: "OutOfcpu, OutOfmemory, OutOfpods, OutOf…",
    reason: /^OutOf/,
    verdict: "room",
    says: "The node had no room after all: {message}",
  },
  {
    shown: "Evicted",
    reason: /^NodePressure$/,
    verdict: "room",
    says: "The node is short of a resource and took no pod: {message}",
  },
  {
    shown: "TopologyAffinityError",
    reason: /^TopologyAffinityError$/,
    verdict: "room",
    says: "The node had no room after all: {message}",
  },
  {
    shown: "NodePorts",
    reason: /^NodePorts$/,
    verdict: "room",
    says: "A port of the node is in use: {message}",
  },
  {
    shown: "VolumeAttachmentLimitExceeded",
    reason: /^VolumeAttachmentLimitExceeded$/,
    verdict: "room",
    says: "The node takes no more volumes: {message}",
  },
  {
    shown: "UnexpectedAdmissionError",
    reason: /^UnexpectedAdmissionError$/,
    verdict: "again",
    says: "The node could not give the pod its devices: {message}",
  },
  {
    shown: "NodeAffinity, TaintToleration",
    reason: /^(NodeAffinity|TaintToleration)$/,
    verdict: "again",
    says: "The node changed after the pod was placed on it: {message}",
  },
  {
    shown: "NodeShutdown, Terminated",
    reason: /^(Node)?(Shutdown|Terminated)$/,
    verdict: "again",
    says: "The node was shutting down: {message}",
  },
  {
    shown: "SysctlForbidden",
    reason: /^SysctlForbidden$/,
    verdict: "never",
    says: "podTemplate.securityContext sets a sysctl that the node does not allow: {message}",
  },
  {
    shown: "SMTAlignmentError",
    reason: /^SMTAlignmentError$/,
    verdict: "never",
    says: "Ask for a whole number of physical cores: {message}",
  },
  {
    shown: "PodOSNotSupported, PodOSSelectorNodeLabelDoesNotMatch",
    reason: /^PodOS/,
    verdict: "never",
    says: "The pod asks for another operating system than the node has: {message}",
  },
  {
    shown: "NodeName",
    reason: /^NodeName$/,
    verdict: "never",
    says: "The pod names another node: {message}",
  },
  {
    shown: "AppArmor",
    reason: /^AppArmor$/,
    verdict: "policy",
    says: "The node cannot enforce the pod's AppArmor profile: {message}",
  },
  {
    shown: "DeadlineExceeded",
    reason: /^DeadlineExceeded$/,
    verdict: "policy",
    says: "The pod ran into its deadline before its container ran.",
  },
  {
    shown: "InitContainerRestartPolicyForbidden",
    reason: /^InitContainerRestartPolicyForbidden$/,
    verdict: "never",
    says: "The node is too old for the pod: {message}",
  },
  {
    shown: "anything else",
    reason: any,
    verdict: "again",
    says: "The pod failed before its container ran: {message}",
  },
];

/** The pod was taken away: its own reason, its condition DisruptionTarget, or its deletion. */
const takenAway: readonly EndRow[] = [
  {
    shown: "Evicted: Usage of EmptyDir volume …",
    reason: /^Evicted$/,
    message: /Usage of EmptyDir volume/,
    verdict: "never",
    says: "An emptyDir volume is fuller than its limit allows: {message}",
  },
  {
    shown: "Evicted: … ephemeral local storage …",
    reason: /^Evicted$/,
    message: /ephemeral local storage|local ephemeral storage/,
    verdict: "never",
    says: "It wrote more to local disk than its limit allows, and its log counts: {message}",
  },
  {
    shown: "Evicted: … had condition …",
    reason: /^NodePressure$/,
    verdict: "room",
    says: "The node is short of a resource and took no pod: {message}",
  },
  {
    shown: "JobSuspended",
    reason: /^JobSuspended$/,
    verdict: "room",
    says: "The Job was suspended (by Kueue?): {message}",
  },
  {
    shown: "Evicted: The node was low on resource …",
    reason: /^Evicted$/,
    verdict: "again",
    says: "The cluster took the pod away: {message}",
  },
  {
    shown: "Preempting, PreemptionByScheduler",
    reason: /^Preempt/,
    verdict: "again",
    says: "The cluster took the pod away for one of higher priority: {message}",
  },
  {
    shown: "Terminated, Shutdown, NodeShutdown",
    reason: /^(Node)?(Shutdown|Terminated)$/,
    verdict: "again",
    says: "The cluster took the pod away, its node was shut down: {message}",
  },
  {
    shown: "EvictionByEvictionAPI, DeletionByTaintManager, DeletionByPodGC, PodDeleted, anything else",
    reason: any,
    verdict: "again",
    says: "The cluster took the pod away: {message}",
  },
];

/** The container ended, and left no report. */
const container: readonly EndRow[] = [
  {
    shown: "OOMKilled, exit 0",
    reason: /^OOMKilled$/,
    exitCode: [0],
    verdict: "completed",
    says: "The container exited with code 0; one of its other processes was killed for its memory.",
  },
  {
    shown: "OOMKilled",
    reason: /^OOMKilled$/,
    verdict: "memory",
    says: "The container used more memory than its limit and was killed. Choose a larger machine.",
  },
  {
    shown: "ContainerStatusUnknown",
    reason: /^ContainerStatusUnknown$/,
    verdict: "again",
    says: "The node lost the container: {message}",
  },
  {
    shown: "Unknown, exit 255",
    reason: /^Unknown$/,
    verdict: "again",
    says: "The node lost the container, as by a reboot: {message}",
  },
  {
    shown: "exit −1",
    reason: any,
    exitCode: [-1],
    verdict: "again",
    says: "The node does not know how the container ended.",
  },
  {
    shown: "StartError: resource temporarily unavailable, cgroup, no space left, deadline …",
    reason: /^(StartError|ContainerCannotRun)$/,
    message:
      /temporarily unavailable|cgroup|no space left|deadline exceeded|can't get final child|timed? ?out/i,
    verdict: "again",
    says: "The node could not start the container: {message}",
  },
  {
    shown: "StartError, ContainerCannotRun",
    reason: /^(StartError|ContainerCannotRun)$/,
    verdict: "never",
    says: "The container cannot be started: {message}",
  },
  {
    shown: "DeadlineExceeded",
    reason: /^DeadlineExceeded$/,
    verdict: "timedOut",
    says: "The pod ran into its deadline.",
  },
  {
    shown: "exit 1, 126 or 255, exec format error, argument list too long",
    reason: any,
    exitCode: [1, 126, 255],
    message: /exec format error|argument list too long|exec user process caused/,
    verdict: "never",
    says: "The image's program cannot be executed: {message}",
  },
  {
    shown: "exit 126",
    reason: any,
    exitCode: [126],
    verdict: "policy",
    says: "The container exited with code 126: its command cannot be executed. Is it executable?",
  },
  {
    shown: "exit 127",
    reason: any,
    exitCode: [127],
    verdict: "policy",
    says: "The container exited with code 127: its command was not found.",
  },
  {
    shown: "exit 159 (SIGSYS), seccomp killed",
    reason: any,
    exitCode: [159],
    verdict: "never",
    says: "The container was killed by SIGSYS (exit code 159): its seccomp profile does not allow a system call that it made.",
  },
  {
    shown: "seccomp killed",
    reason: /^seccomp killed$/,
    verdict: "never",
    says: "The container was killed: its seccomp profile does not allow a system call that it made.",
  },
  {
    shown: "exit 9 of Node.js: a bad option",
    reason: any,
    exitCode: [9],
    message: /bad option|is not allowed in NODE_OPTIONS|requires an argument/,
    verdict: "never",
    says: "Node.js does not take its options (exit code 9): {message}",
  },
];

export const attemptEnds = { refused, takenAway, container, waiting, unscheduled, noPod } as const;

export type Source = keyof typeof attemptEnds;

/** Undefined only for a container whose end no row names: its exit code decides. */
export const endRowOf = (source: Source, { reason, message, exitCode }: Facts): EndRow | undefined =>
  attemptEnds[source].find(
    (row) =>
      row.reason.test(reason) &&
      (row.message?.test(message) ?? true) &&
      (row.exitCode === undefined || (exitCode !== undefined && row.exitCode.includes(exitCode))),
  );
