import { describe, expect, test } from "vitest";
import { startRowOf } from "./podStart.ts";

type Start = [title: string, verdict: string, patience: string, reason: string, message: string];
const node = (clauses: string, preemption: string) =>
  `0/2 nodes are available: ${clauses}. preemption: 0/2 nodes are available: ${preemption}`;
const notHelpful = "2 Preemption is not helpful for scheduling.";
const quota = (requested: string, limited: string) =>
  `pods "r-1-" is forbidden: exceeded quota: q, requested: ${requested}, used: pods=0, limited: ${limited}`;

describe("a start that is blocked", () => {
  test.each<Start>([
    ["an image's name that is none", "never", "none", "InvalidImageName", "couldn't parse image name"],
    ["an image that may not be pulled", "never", "none", "ErrImageNeverPull", "is not present"],
    [
      "root where none is allowed",
      "never",
      "none",
      "CreateContainerConfigError",
      "container has runAsNonRoot and image will run as root",
    ],
    [
      "an image that is not there",
      "never",
      "minute",
      "ImagePullBackOff",
      'Back-off pulling image "x": ErrImagePull: x: not found',
    ],
    [
      "a registry that is not there",
      "never",
      "minute",
      "ErrImagePull",
      "dial tcp: lookup fairlead.local: no such host",
    ],
    [
      "a registry that no resolver knows",
      "never",
      "minute",
      "ErrImagePull",
      'Head "https://fairlead.local/v2/x": dial tcp: lookup fairlead.local: Temporary failure in name resolution',
    ],
    [
      "a registry that refuses",
      "never",
      "minute",
      "ErrImagePull",
      "pull access denied, authorization failed",
    ],
    [
      "an image for another CPU",
      "never",
      "minute",
      "ErrImagePull",
      "no match for platform in manifest: not found",
    ],
    ["a registry that is slow", "again", "minute", "ErrImagePull", "dial tcp 1.2.3.4:443: i/o timeout"],
    ["a registry with too many requests", "again", "minute", "ErrImagePull", "toomanyrequests: denied"],
    [
      "a registry that cannot be reached",
      "again",
      "minute",
      "ErrImagePull",
      "connect: network is unreachable",
    ],
    ["a backoff without a cause", "again", "minute", "ImagePullBackOff", 'Back-off pulling image "x"'],
    ["a runtime that says unavailable", "again", "minute", "RegistryUnavailable", "no answer"],
    [
      "a certificate that nobody knows",
      "never",
      "minute",
      "ErrImagePull",
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ],
    [
      "a registry without TLS",
      "never",
      "minute",
      "ErrImagePull",
      "http: server gave HTTP response to HTTPS client",
    ],
    ["a signature", "never", "minute", "SignatureValidationFailed", "bad"],
    ["a Secret that is missing", "never", "minute", "CreateContainerConfigError", 'secret "x" not found'],
    [
      "a kubelet's cache",
      "again",
      "startTimeout",
      "CreateContainerConfigError",
      "failed to sync secret cache: timed out waiting for the condition",
    ],
    ["no command", "never", "none", "CreateContainerError", "no command specified"],
    [
      "a volume's Secret",
      "never",
      "minute",
      "FailedMount",
      'MountVolume.SetUp failed for volume "v" : secret "x" not found',
    ],
    ["a network", "again", "startTimeout", "FailedCreatePodSandBox", "cni plugin not initialized"],
    ["a hook", "policy", "startTimeout", "PostStartHookError", "no"],
    ["something new", "again", "startTimeout", "Some text of a runtime class", "x"],
  ])("by %s has the verdict %s, patience %s", (_title, verdict, patience, reason, message) => {
    expect(startRowOf({ reason, message }, true)).toMatchObject({ verdict, patience });
  });

  test.each<Start>([
    [
      "full nodes",
      "room",
      "startTimeout",
      "Unschedulable",
      node("2 Insufficient cpu", "2 No preemption victims found for incoming pod."),
    ],
    ["nodes that are too small", "never", "minute", "Unschedulable", node("2 Insufficient cpu", notHelpful)],
    [
      "nodes that are too small or tainted",
      "never",
      "minute",
      "Unschedulable",
      node("1 Insufficient memory, 1 node(s) had untolerated taint {gpu: true}", notHelpful),
    ],
    [
      "a node that is not ready",
      "room",
      "startTimeout",
      "Unschedulable",
      node(
        "1 Insufficient memory, 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }",
        notHelpful,
      ),
    ],
    [
      "taints without names",
      "room",
      "startTimeout",
      "Unschedulable",
      node("2 node(s) had untolerated taint(s)", notHelpful),
    ],
    [
      "labels that no node has",
      "never",
      "minute",
      "Unschedulable",
      node("2 node(s) didn't match Pod's node affinity/selector", notHelpful),
    ],
    [
      "a cordoned node",
      "room",
      "startTimeout",
      "Unschedulable",
      node("1 Insufficient cpu, 1 node(s) were unschedulable", notHelpful),
    ],
    ["no nodes", "room", "startTimeout", "Unschedulable", "no nodes available to schedule pods"],
    [
      "a claim that is missing",
      "never",
      "minute",
      "Unschedulable",
      '0/1 nodes are available: persistentvolumeclaim "x" not found.',
    ],
    ["a gate", "room", "startTimeout", "SchedulingGated", "Scheduling is blocked"],
  ])("without a node by %s has the verdict %s, patience %s", (_title, verdict, patience, reason, message) => {
    expect(startRowOf({ reason, message }, false)).toMatchObject({ verdict, patience });
  });

  test.each<Start>([
    [
      "a full quota",
      "room",
      "startTimeout",
      "QuotaExceeded",
      quota("limits.memory=1Gi", "limits.memory=2Gi"),
    ],
    [
      "a quota that is too small",
      "never",
      "none",
      "QuotaExceeded",
      quota("cpu=500m,limits.memory=2Gi", "cpu=1,limits.memory=500M"),
    ],
    [
      "a quota that demands a limit",
      "never",
      "none",
      "QuotaExceeded",
      "forbidden: failed quota: q: must specify limits.cpu for: main",
    ],
    [
      "a LimitRange",
      "never",
      "none",
      "FailedCreate",
      "maximum memory usage per Container is 256Mi, but limit is 500M",
    ],
    ["Pod Security", "never", "none", "FailedCreate", 'violates PodSecurity "restricted:latest": x'],
    [
      "a service account",
      "never",
      "minute",
      "FailedCreate",
      'error looking up service account ns/sa: serviceaccount "sa" not found',
    ],
    ["a policy", "never", "minute", "FailedCreate", 'admission webhook "w" denied the request: no'],
    [
      "a webhook that does not answer",
      "again",
      "startTimeout",
      "FailedCreate",
      'failed calling webhook "w": connection refused',
    ],
  ])("without a pod by %s has the verdict %s, patience %s", (_title, verdict, patience, reason, message) => {
    expect(startRowOf({ reason, message }, undefined)).toMatchObject({ verdict, patience });
  });
});
