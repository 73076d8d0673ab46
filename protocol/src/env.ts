/**
 * The environment variables of an attempt's container, set by the operator (jobs/attemptEnv.ts). A task's
 * runner reads them, and so does any other program that an inline container runs: docs describe them to users
 * as a contract. Whoever may read a pod's spec reads them: none is a credential, none holds what the run was
 * given or gave back.
 */
export const env = {
  /** Base URL of the API for calls of the runner. */
  apiUrl: "FAIRLEAD_API_URL",
  /** The file with the pod's token: the bearer token of the pod's calls of the API. Kubernetes renews it. */
  tokenFile: "FAIRLEAD_TOKEN_FILE",
  runId: "FAIRLEAD_RUN_ID",
  namespace: "FAIRLEAD_NAMESPACE",
  /** The attempt's number, from 1. */
  attempt: "FAIRLEAD_ATTEMPT",
  podUid: "FAIRLEAD_POD_UID",
  /** Inline containers only: media type of the payload. */
  payloadType: "FAIRLEAD_PAYLOAD_TYPE",
  /** Inline containers only: where to GET the payload, with the pod's token. */
  payloadUrl: "FAIRLEAD_PAYLOAD_URL",
  /** Inline containers only: where to PUT the output, with the pod's token. */
  outputUrl: "FAIRLEAD_OUTPUT_URL",
  /** Seconds between SIGTERM and SIGKILL. */
  gracePeriodSeconds: "FAIRLEAD_GRACE_PERIOD_SECONDS",

  /** Tasks only: its id, the path of the module that defines it, and the SentContext as JSON. */
  taskId: "FAIRLEAD_TASK_ID",
  entry: "FAIRLEAD_ENTRY",
  context: "FAIRLEAD_CTX",
  /** Of a task whose code is in the bucket: the hashes of its parts, `BundleParts` as JSON. */
  bundle: "FAIRLEAD_BUNDLE",

  /** For the runner's own tests: another file in place of /dev/termination-log. Never set by the operator. */
  terminationLog: "FAIRLEAD_TERMINATION_LOG",
} as const;

export type EnvName = (typeof env)[keyof typeof env];

/** Names that begin with this are Fairlead's own: users cannot set them. */
export const reservedPrefix = "FAIRLEAD_";
