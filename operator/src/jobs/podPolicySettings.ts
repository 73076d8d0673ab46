/**
 * What the chart's values say of the pods of runs (`podPolicy.*`), and what of it holds in one namespace.
 * A list holds names; one that ends with `*` stands for all that begin so.
 */
import { yearSeconds } from "@fairlead/protocol/limits";
import { z } from "zod";
import { quantity } from "./quantity.ts";

const names = (...defaults: string[]) => z.array(z.string().min(1).max(253)).max(256).default(defaults);
const amount = z
  .union([z.string(), z.number()])
  .transform(String)
  .refine((text) => quantity(text) >= 0, "is not a quantity (for example 64Gi)");

const rules = z.strictObject({
  secrets: names("fairlead-task-*"),
  configMaps: names("fairlead-task-*"),
  serviceAccounts: names(),
  /** Audiences of projected service account tokens. */
  tokenAudiences: names(),
  volumeTypes: names("configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"),
  persistentVolumeClaims: names(),
  priorityClasses: names(),
  runtimeClasses: names(),
  /** Of nodeSelector, of node affinity, and topology keys. */
  nodeSelectorKeys: names("*"),
  tolerationKeys: names(),
  /** With a prefix; those without one may always be set. */
  labelKeys: names(),
  annotationKeys: names(),
  runAsRoot: z.boolean().default(false),
  /** The resources that a container may ask for, and how much of each. */
  max: z.record(z.string(), amount).default({
    cpu: "16",
    memory: "64Gi",
    "ephemeral-storage": "50Gi",
    "nvidia.com/gpu": "8",
    "amd.com/gpu": "8",
  }),
  maxDurationSeconds: z
    .number()
    .int()
    .min(5)
    .max(yearSeconds)
    .default(7 * 24 * 3600),
  /** The limit of a container that sets none. */
  ephemeralStorageLimit: amount.default("10Gi"),
  readOnlyRootFilesystem: z.boolean().default(false),
});

export const podPolicySettings = rules.extend({
  /** Whether the release's own namespace executes runs. */
  releaseNamespace: z.boolean().default(false),
  /** Namespaces that execute none. */
  closedNamespaces: names("kube-system", "kube-public", "kube-node-lease"),
  /** By a namespace's name: what is different there. */
  namespaces: z
    .record(
      z.string(),
      z.strictObject({
        ...Object.fromEntries(Object.entries(rules.shape).map(([key, shape]) => [key, shape.optional()])),
      } as unknown as { [K in keyof typeof rules.shape]: z.ZodOptional<(typeof rules.shape)[K]> }),
    )
    .default({}),
});

export type PodPolicySettings = z.infer<typeof podPolicySettings>;

/** What holds in one namespace. */
export interface PodPolicy extends z.infer<typeof rules> {
  /** Why the namespace executes no runs at all. */
  closed?: { problem: string; setting: string };
}

const defaultPodPolicy: PodPolicySettings = podPolicySettings.parse({});

/** The part of the configuration that says it; what is absent has its default. */
export interface PolicySource {
  podPolicy?: PodPolicySettings;
  /** The release's own. */
  namespace?: string;
}

export function policyIn(namespace: string, source: PolicySource = {}): PodPolicy {
  const { podPolicy = defaultPodPolicy, namespace: release } = source;
  const { namespaces, closedNamespaces, releaseNamespace, ...common } = podPolicy;
  const own = Object.hasOwn(namespaces, namespace) ? namespaces[namespace] : undefined;
  const given = Object.fromEntries(Object.entries(own ?? {}).filter(([, value]) => value !== undefined));
  return {
    ...common,
    ...given,
    max: { ...common.max, ...own?.max },
    closed: closedBy(closedNamespaces, namespace, namespace === release && !releaseNamespace),
  };
}

function closedBy(closed: readonly string[], namespace: string, isRelease: boolean): PodPolicy["closed"] {
  if (isRelease)
    return {
      problem: `namespace ${namespace} is Fairlead's own and executes no runs: use another namespace`,
      setting: "podPolicy.releaseNamespace",
    };
  if (!matches(closed, namespace)) return undefined;
  return {
    problem: `namespace ${namespace} executes no runs: use another namespace`,
    setting: "podPolicy.closedNamespaces",
  };
}

export const matches = (patterns: readonly string[], name: string): boolean =>
  patterns.some((pattern) =>
    pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
