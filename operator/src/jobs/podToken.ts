/**
 * The pod's token: a service account token of our own audience, which Kubernetes makes for this pod alone,
 * writes into its file system, renews, and stops to accept once the pod is gone. With it the container shows
 * the API which attempt it is; the spec has only the name of the file. Pure.
 */
import { podTokenAudience } from "@fairlead/protocol/runnerApi";
import type { V1Volume, V1VolumeMount } from "@kubernetes/client-node";

const name = "fairlead-token";
const folder = "/var/run/secrets/fairlead.dev";
const path = "token";
/** The kubelet renews it after four fifths of that time. */
const expirationSeconds = 3600;

export const podTokenFile = `${folder}/${path}`;

export const podTokenVolume: V1Volume = {
  name,
  projected: { sources: [{ serviceAccountToken: { audience: podTokenAudience, expirationSeconds, path } }] },
};

export const podTokenMount: V1VolumeMount = { name, mountPath: folder, readOnly: true };
