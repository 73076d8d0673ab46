/**
 * The settings of both servers, from environment variables that the chart sets.
 * A missing or invalid one ends the process with a message that names it.
 */
import { z } from "zod";
import { type PodPolicySettings, podPolicySettings } from "./jobs/podPolicySettings.ts";
import type { BucketSettings } from "./storage/bucket.ts";

const text = z.string().min(1);
const list = z
  .string()
  .default("")
  .transform((value) =>
    value
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  );
const flag = z.enum(["true", "false"]).transform((value) => value === "true");
const count = (least: number, fallback: number) => z.coerce.number().int().min(least).default(fallback);

/** An object as JSON; empty: all of its defaults. */
const podPolicy = z
  .string()
  .default("")
  .transform((value, context) => {
    try {
      return JSON.parse(value || "{}") as unknown;
    } catch {
      context.addIssue("is not JSON");
      return z.NEVER;
    }
  })
  .pipe(podPolicySettings);

/** Secrets that the controller creates when they are missing. */
const secretRoles = ["redis", "objectstore", "signing", "api-key", "api-keys"] as const;
export type SecretRole = (typeof secretRoles)[number];

const environment = z.object({
  FAIRLEAD_NAMESPACE: text,
  FAIRLEAD_FULLNAME: text,
  FAIRLEAD_INSTALLATION_ID: z
    .string()
    .regex(/^[A-Za-z0-9.-]{0,63}$/, "must have at most 63 letters, digits, dots and dashes")
    .default(""),
  FAIRLEAD_WATCH_NAMESPACES: list,
  FAIRLEAD_API_URL: z.url({ protocol: /^https?$/ }),
  FAIRLEAD_PUBLIC_URL: z.union([z.literal(""), z.url({ protocol: /^https?$/ })]).default(""),
  FAIRLEAD_S3_ENDPOINT: z.url({ protocol: /^https?$/ }),
  FAIRLEAD_S3_PUBLIC_ENDPOINT: z.union([z.literal(""), z.url({ protocol: /^https?$/ })]).default(""),
  FAIRLEAD_S3_BUCKET: text,
  FAIRLEAD_S3_REGION: text.default("us-east-1"),
  FAIRLEAD_S3_SECRET: text,
  FAIRLEAD_S3_FORCE_PATH_STYLE: flag.default(true),
  FAIRLEAD_S3_SHARED: flag.default(false),
  FAIRLEAD_REDIS_URL: z.url({ protocol: /^rediss?$/ }),
  FAIRLEAD_REDIS_SECRET: z.string().default(""),
  FAIRLEAD_SIGNING_SECRET: text,
  FAIRLEAD_API_KEY_SECRET: text,
  FAIRLEAD_API_KEY_NAMESPACE: text.default("default"),
  FAIRLEAD_CREATE_SECRETS: list.pipe(z.array(z.enum(secretRoles))),
  FAIRLEAD_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error"]).default("info"),
  FAIRLEAD_NODE_LOST_AFTER_SECONDS: count(0, 300),
  FAIRLEAD_MAX_DURATION_SECONDS: count(5, 3600),
  FAIRLEAD_START_TIMEOUT_SECONDS: count(1, 300),
  FAIRLEAD_JOB_RETENTION_SECONDS: count(0, 300),
  FAIRLEAD_RUNTIME_IMAGE: z.string().default(""),
  FAIRLEAD_POD_POLICY: podPolicy,
  FAIRLEAD_NAMESPACE_CONCURRENCY_LIMIT: count(0, 0),
  FAIRLEAD_MAX_WAITING_RUNS: count(0, 200),
  FAIRLEAD_RETENTION_SECONDS: count(0, 3600),
  FAIRLEAD_HISTORY_SECONDS: count(60, 30 * 24 * 3600),
  FAIRLEAD_BODY_LIMIT_MIB: z.coerce.number().int().min(1).max(100).default(24),
  FAIRLEAD_RATE_PER_SECOND: count(0, 2_000),
  FAIRLEAD_RATE_BURST: count(1, 10_000),
  FAIRLEAD_UNFINISHED_RUNS: count(0, 50_000),
  FAIRLEAD_LEASE_NAME: z.string().default(""),
  FAIRLEAD_POD_NAME: z.string().default(""),
  PORT: z.coerce.number().int().min(0).max(65535).optional(),
});

export interface Config {
  namespace: string;
  /** Prefix of the release's object names. */
  fullname: string;
  /**
   * Begins the names of the keys in Redis, and in a bucket that is not our own; empty: made from the
   * release's namespace (installationId.ts).
   */
  installationId: string;
  /** Empty: all namespaces. */
  watchNamespaces: string[];
  /** Where pods reach the API. */
  apiUrl: string;
  /** Where clients reach it; undefined: at the address that each of them used. */
  publicUrl?: string;
  s3: BucketSettings;
  redisUrl: string;
  /** Names of Secrets in `namespace`; an empty name for Redis: no password. */
  secrets: Record<SecretRole, string>;
  createSecrets: SecretRole[];
  /** The namespace that the first API key opens. */
  firstKeyNamespace: string;
  logLevel: string;
  /** `runtimeImage`: of Tasks whose code is in the bucket; empty: there are none. */
  defaults: { maxDurationSeconds: number; startTimeoutSeconds: number; runtimeImage?: string };
  /** What runs may ask of their pods; see jobs/podPolicy.ts. */
  podPolicy: PodPolicySettings;
  nodeLostAfterSeconds: number;
  /** How long a finished Job stays for `kubectl logs`, counted from the attempt's end. */
  jobRetentionSeconds: number;
  /** Runs of one namespace that may execute at once, unless the namespace says otherwise; 0: no limit. */
  namespaceConcurrencyLimit: number;
  /** Runs of one namespace that may wait for others at once; 0: no limit. */
  maxWaitingRuns: number;
  /** How long a finished run that was created by API, batch or schedule stays a resource. */
  retentionSeconds: number;
  /** How long history, payloads, outputs and logs stay in the bucket. */
  historySeconds: number;
  /** What the API accepts of one key; see api/http/rateLimit.ts. */
  limits: { bodyBytes: number; rate: { perSecond: number; burst: number }; unfinishedRuns: number };
  leaseName: string;
  podName: string;
  port?: number;
}

export class ConfigError extends Error {
  override name = "ConfigError";
}

export function readConfig(variables: Record<string, string | undefined>): Config {
  const parsed = environment.safeParse(variables);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new ConfigError(`the environment variables are not valid:\n  ${problems.join("\n  ")}`);
  }
  const env = parsed.data;
  return {
    namespace: env.FAIRLEAD_NAMESPACE,
    fullname: env.FAIRLEAD_FULLNAME,
    installationId: env.FAIRLEAD_INSTALLATION_ID,
    watchNamespaces: env.FAIRLEAD_WATCH_NAMESPACES,
    apiUrl: env.FAIRLEAD_API_URL.replace(/\/+$/, ""),
    publicUrl: env.FAIRLEAD_PUBLIC_URL.replace(/\/+$/, "") || undefined,
    s3: {
      endpoint: env.FAIRLEAD_S3_ENDPOINT,
      publicEndpoint: env.FAIRLEAD_S3_PUBLIC_ENDPOINT || undefined,
      bucket: env.FAIRLEAD_S3_BUCKET,
      region: env.FAIRLEAD_S3_REGION,
      forcePathStyle: env.FAIRLEAD_S3_FORCE_PATH_STYLE,
      isShared: env.FAIRLEAD_S3_SHARED,
    },
    redisUrl: env.FAIRLEAD_REDIS_URL,
    secrets: {
      redis: env.FAIRLEAD_REDIS_SECRET,
      objectstore: env.FAIRLEAD_S3_SECRET,
      signing: env.FAIRLEAD_SIGNING_SECRET,
      "api-key": env.FAIRLEAD_API_KEY_SECRET,
      "api-keys": `${env.FAIRLEAD_FULLNAME}-api-keys`,
    },
    createSecrets: env.FAIRLEAD_CREATE_SECRETS,
    firstKeyNamespace: env.FAIRLEAD_API_KEY_NAMESPACE,
    logLevel: env.FAIRLEAD_LOG_LEVEL,
    defaults: {
      maxDurationSeconds: env.FAIRLEAD_MAX_DURATION_SECONDS,
      startTimeoutSeconds: env.FAIRLEAD_START_TIMEOUT_SECONDS,
      runtimeImage: env.FAIRLEAD_RUNTIME_IMAGE,
    },
    podPolicy: env.FAIRLEAD_POD_POLICY,
    nodeLostAfterSeconds: env.FAIRLEAD_NODE_LOST_AFTER_SECONDS,
    jobRetentionSeconds: env.FAIRLEAD_JOB_RETENTION_SECONDS,
    namespaceConcurrencyLimit: env.FAIRLEAD_NAMESPACE_CONCURRENCY_LIMIT,
    maxWaitingRuns: env.FAIRLEAD_MAX_WAITING_RUNS,
    retentionSeconds: env.FAIRLEAD_RETENTION_SECONDS,
    historySeconds: env.FAIRLEAD_HISTORY_SECONDS,
    limits: {
      bodyBytes: env.FAIRLEAD_BODY_LIMIT_MIB * 1024 * 1024,
      rate: { perSecond: env.FAIRLEAD_RATE_PER_SECOND, burst: env.FAIRLEAD_RATE_BURST },
      unfinishedRuns: env.FAIRLEAD_UNFINISHED_RUNS,
    },
    leaseName: env.FAIRLEAD_LEASE_NAME || `${env.FAIRLEAD_FULLNAME}-controller`,
    podName: env.FAIRLEAD_POD_NAME || "local",
    port: env.PORT,
  };
}
