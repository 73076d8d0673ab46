/**
 * Why nothing is admitted in a namespace, as a sentence for those who wait. It stays the same while the cause
 * does, so that it is written once: what a client of Redis says changes with each try. Pure.
 */
import { KubeError } from "../../kube/client/kubeError.ts";
import type { ClosedAdmission } from "../../queue/admission.ts";
import { EpochError, FencedError } from "../../queue/scripts.ts";

/** A rebuild takes moments, and is no news. */
const graceMs = 5_000;

/** What knows it; the controller's is RedisAdmission. */
interface AdmissionState {
  closed(namespace: string): ClosedAdmission | undefined;
}

/** Undefined while it is open, or not closed for long enough to be told. */
export function whyClosed(admission: AdmissionState, namespace: string, now: number): string | undefined {
  const closed = admission.closed(namespace);
  return closed && now - closed.since >= graceMs ? sentenceOf(closed.error) : undefined;
}

const maxLength = 400;

function sentenceOf(error: unknown): string {
  if (error === undefined) return "its queues are being rebuilt from its TaskRuns.";
  if (error instanceof KubeError) return ofApiServer(error);
  if (!(error instanceof Error)) return "its queues cannot be rebuilt.";
  if (error instanceof FencedError) return "a later leader is known to Redis than the one that acts.";
  if (error instanceof EpochError) return "Redis lost its queues, which are being rebuilt.";
  // An answer of Redis begins with its code; without an answer the client tells what it tried.
  if (/^(NOAUTH|WRONGPASS|NOPERM)\b/.test(error.message))
    return "Redis refuses the controller's password or its rights.";
  if (/^(OOM|MISCONF|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|TRYAGAIN|BUSY)\b/.test(error.message))
    return `Redis takes no writes now (${error.message.split(" ")[0]}).`;
  if (isOfRedis(error)) return "Redis does not answer.";
  return sentence(error.message);
}

function ofApiServer({ status, message }: KubeError): string {
  if (status === 401 || status === 403)
    return sentence(`the controller may not read what its queues are rebuilt from: ${message}`);
  return "the API server does not answer, and its queues cannot be rebuilt.";
}

/** Errors of the connection, and of the client that waits for one. */
const isOfRedis = (error: Error): boolean =>
  "syscall" in error ||
  /Connection is closed|connection to Redis|Command timed out|Stream isn't writeable|max retries|Socket/i.test(
    error.message,
  );

const sentence = (text: string): string => {
  const short = text.trim().slice(0, maxLength);
  return short.endsWith(".") ? short : `${short}.`;
};
