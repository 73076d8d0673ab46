/**
 * The closed allow-list: every field that a pod template or an inline container may have, with what it may
 * hold. With the default values this is what Pod Security `restricted` allows, without any identity.
 */
import { envSecretName } from "../model/envVars.ts";
import { matches } from "./podPolicySettings.ts";
import {
  amountOf,
  amounts,
  both,
  flag,
  integer,
  isObject,
  keyed,
  list,
  named,
  object,
  oneOf,
  type Rule,
  refuse,
  text,
} from "./podRules.ts";

const secret = named("secrets", "Secret", envSecretName);
const configMap = named("configMaps", "ConfigMap");
const nodeKey = named("nodeSelectorKeys", "the key");
const any: Rule = () => [];

const keyToPath = object({ key: text, path: text, mode: integer(0) });
const fieldRef = object({ apiVersion: text, fieldPath: text });
const resourceFieldRef = object({ containerName: text, resource: text, divisor: any });
const downwardItems = list(object({ path: text, fieldRef, resourceFieldRef, mode: integer(0) }));

const env = list(
  object({
    name: text,
    value: text,
    valueFrom: object({
      secretKeyRef: object({ name: secret, key: text, optional: flag }),
      configMapKeyRef: object({ name: configMap, key: text, optional: flag }),
      fieldRef,
      resourceFieldRef,
    }),
  }),
);

const envFrom = list(
  object({
    prefix: text,
    secretRef: object({ name: secret, optional: flag }),
    configMapRef: object({ name: configMap, optional: flag }),
  }),
);

/** `fairlead` is the audience of the attempt's own token. */
const audience = both(named("tokenAudiences", "a token for audience"), (value, field) =>
  value === "fairlead" ? refuse(field, "is Fairlead's own audience") : [],
);

const serviceAccountToken: Rule = (value, field, policy) => {
  const shape = object({ audience, expirationSeconds: integer(600), path: text })(value, field, policy);
  // Without an audience it is a token for the API server.
  const isNamed = isObject(value) && typeof value.audience === "string" && value.audience !== "";
  return isNamed
    ? shape
    : [...shape, ...refuse(field, "a token needs an allowed audience", "tokenAudiences")];
};

const projected = object({
  defaultMode: integer(0),
  sources: list(
    object({
      secret: object({ name: secret, items: list(keyToPath), optional: flag }),
      configMap: object({ name: configMap, items: list(keyToPath), optional: flag }),
      downwardAPI: object({ items: downwardItems }),
      serviceAccountToken,
    }),
  ),
});

const storage: Rule = (value, field, policy) => amountOf(value, field, "ephemeral-storage", policy);

/** Of the volume types whose content is known; others are allowed by value only, with whatever they hold. */
const volumeTypes: Record<string, Rule> = {
  configMap: object({ name: configMap, items: list(keyToPath), defaultMode: integer(0), optional: flag }),
  downwardAPI: object({ items: downwardItems, defaultMode: integer(0) }),
  emptyDir: object({ medium: oneOf("", "Memory"), sizeLimit: storage }),
  ephemeral: object({
    volumeClaimTemplate: object({
      spec: object({
        accessModes: list(text),
        storageClassName: text,
        volumeMode: oneOf("Filesystem"),
        resources: object({ requests: object({ storage }) }),
      }),
    }),
  }),
  persistentVolumeClaim: object({
    claimName: named("persistentVolumeClaims", "PersistentVolumeClaim"),
    readOnly: flag,
  }),
  projected,
  secret: object({ secretName: secret, items: list(keyToPath), defaultMode: integer(0), optional: flag }),
};

/** Those that Fairlead gives a pod. */
const ownVolumes = /^fairlead-/;

const volume: Rule = (value, field, policy) => {
  if (!isObject(value)) return refuse(field, "must be an object");
  const { name, ...types } = value;
  if (typeof name === "string" && ownVolumes.test(name))
    return refuse(`${field}.name`, `${name}: names that begin with fairlead- are Fairlead's own`);
  return Object.entries(types).flatMap(([type, content]) => {
    const path = `${field}.${type}`;
    if (!policy.volumeTypes.includes(type))
      return refuse(
        path,
        `is not an allowed type (allowed: ${policy.volumeTypes.join(", ")})`,
        "volumeTypes",
      );
    return (Object.hasOwn(volumeTypes, type) ? volumeTypes[type] : any)?.(content, path, policy) ?? [];
  });
};

const volumeMount = object({
  name: both(text, (value, field) =>
    ownVolumes.test(String(value)) ? refuse(field, "names that begin with fairlead- are Fairlead's own") : [],
  ),
  mountPath: text,
  subPath: text,
  subPathExpr: text,
  readOnly: flag,
  recursiveReadOnly: text,
  mountPropagation: oneOf("None"),
});

const profile = object({ type: oneOf("RuntimeDefault", "Localhost"), localhostProfile: text });
/** Without a type it would confine nothing. */
const confined: Rule = (value, field, policy) => {
  const hasType = isObject(value) && value.type !== undefined && value.type !== null;
  return hasType ? profile(value, field, policy) : refuse(`${field}.type`, "is missing: use RuntimeDefault");
};

/** The pod's. What a container may do (capabilities, privileges) is not its template's to say. */
const securityContext = object({
  runAsUser: (value, field, policy) =>
    value === 0 && !policy.runAsRoot
      ? refuse(field, "must not be 0", "runAsRoot")
      : integer(0)(value, field, policy),
  runAsGroup: integer(0),
  runAsNonRoot: (value, field, policy) =>
    value === false && !policy.runAsRoot
      ? refuse(field, "must be true", "runAsRoot")
      : flag(value, field, policy),
  fsGroup: integer(0),
  fsGroupChangePolicy: oneOf("Always", "OnRootMismatch"),
  supplementalGroups: list(integer(0)),
  supplementalGroupsPolicy: oneOf("Merge", "Strict"),
  seccompProfile: confined,
  appArmorProfile: confined,
});

const toleration: Rule = (value, field, policy) => {
  const shape = object({
    key: named("tolerationKeys", "the key"),
    operator: oneOf("Exists", "Equal"),
    value: text,
    effect: text,
    tolerationSeconds: integer(0),
  })(value, field, policy);
  const hasKey = isObject(value) && typeof value.key === "string" && value.key !== "";
  if (hasKey || policy.tolerationKeys.includes("*")) return shape;
  return [...shape, ...refuse(`${field}.key`, "is absent, which tolerates every taint", "tolerationKeys")];
};

const nodeTerm = object({
  matchExpressions: list(object({ key: nodeKey, operator: text, values: list(text) })),
});
const labelSelector = object({
  matchLabels: keyed(() => true, "labelKeys", "the key"),
  matchExpressions: list(object({ key: text, operator: text, values: list(text) })),
});
/** Without `namespaces` and `namespaceSelector`: of other namespaces a pod may know nothing. */
const podTerm = object({
  labelSelector,
  topologyKey: nodeKey,
  matchLabelKeys: list(text),
  mismatchLabelKeys: list(text),
});
const podAffinity = object({
  requiredDuringSchedulingIgnoredDuringExecution: list(podTerm),
  preferredDuringSchedulingIgnoredDuringExecution: list(
    object({ weight: integer(1), podAffinityTerm: podTerm }),
  ),
});
const affinity = object({
  nodeAffinity: object({
    requiredDuringSchedulingIgnoredDuringExecution: object({ nodeSelectorTerms: list(nodeTerm) }),
    preferredDuringSchedulingIgnoredDuringExecution: list(
      object({ weight: integer(1), preference: nodeTerm }),
    ),
  }),
  podAffinity,
  podAntiAffinity: podAffinity,
});

/** Keys with a prefix belong to who has the domain: sidecars, cloud roles, Kubernetes, Fairlead. */
const ownKeys = /(^|[./])(fairlead\.dev|kubernetes\.io|k8s\.io)\//;
const metadataKeys = (setting: "labelKeys" | "annotationKeys") =>
  keyed(
    (key, policy) =>
      !key.includes("/") ||
      (!ownKeys.test(key) && matches(policy[setting], key)) ||
      policy[setting].includes(key),
    setting,
    "a key with this prefix",
  );

const priorityClass: Rule = (value, field, policy) => {
  const isSystem = typeof value === "string" && value.startsWith("system-");
  // No pattern stands for these.
  if (isSystem && !policy.priorityClasses.includes(value))
    return refuse(field, `${value} is for the cluster's own pods`, "priorityClasses");
  return named("priorityClasses", "PriorityClass")(value, field, policy);
};

const resources = object({ requests: amounts, limits: amounts });

const templateFields: Record<string, Rule> = {
  labels: metadataKeys("labelKeys"),
  annotations: metadataKeys("annotationKeys"),
  nodeSelector: keyed(
    (key, { nodeSelectorKeys }) => matches(nodeSelectorKeys, key),
    "nodeSelectorKeys",
    "the key",
  ),
  tolerations: list(toleration),
  affinity,
  serviceAccountName: named("serviceAccounts", "service account"),
  imagePullSecrets: list(object({ name: secret })),
  priorityClassName: priorityClass,
  runtimeClassName: named("runtimeClasses", "RuntimeClass"),
  terminationGracePeriodSeconds: integer(0),
  securityContext,
  readOnlyRootFilesystem: flag,
  volumes: list(volume),
  volumeMounts: list(volumeMount),
  env,
  envFrom,
  resources,
};

export const template = object(templateFields);

export const container = object({
  image: text,
  command: list(text),
  args: list(text),
  workingDir: text,
  imagePullPolicy: oneOf("Always", "IfNotPresent", "Never"),
  env,
  envFrom,
  resources,
});
