/** The chart, rendered by helm without a cluster, for the tests beside it. */
import { delimiter, join } from "node:path";
import { parseAllDocuments } from "yaml";
import { toolFolders } from "../../../hack/cluster/tools.ts";
import { type ExecResult, tryRun } from "../../../hack/lib/exec.ts";
import type { PodSpec } from "./podSecurity.ts";

export const chart = join(import.meta.dirname, "..");

/** As `npm run images` writes them. */
export const images = {
  image: { repository: "registry.test/operator", tag: "1111" },
  redis: { image: { repository: "registry.test/redis", tag: "2222" } },
  objectStore: { image: { repository: "registry.test/versitygw", tag: "3333" } },
};

export interface Container {
  name: string;
  image: string;
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } }[];
  volumeMounts?: { name: string; mountPath: string }[];
}

export interface PodTemplate {
  metadata: { labels: Record<string, string> };
  spec: PodSpec & {
    serviceAccountName?: string;
    automountServiceAccountToken?: boolean;
    containers: Container[];
    volumes?: ({ name: string } & Record<string, unknown>)[];
    tolerations?: { key?: string; operator?: string; tolerationSeconds?: number }[];
    affinity?: {
      podAntiAffinity?: {
        preferredDuringSchedulingIgnoredDuringExecution: { podAffinityTerm: Record<string, unknown> }[];
      };
    };
    [field: string]: unknown;
  };
}

export interface Rule {
  apiGroups?: string[];
  resources?: string[];
  nonResourceURLs?: string[];
  verbs: string[];
  resourceNames?: string[];
}

/** Whatever helm rendered; which fields are there depends on the kind. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec: Record<string, unknown> & {
    template?: PodTemplate;
    selector?: { matchLabels: Record<string, string> };
    replicas?: number;
  };
  rules?: Rule[];
  roleRef?: { kind: string; name: string };
  subjects?: { kind: string; name: string; namespace: string }[];
}

export type Values = Record<string, unknown>;

interface RenderOptions {
  release?: string;
  namespace?: string;
  /** Left out: those of `images`. */
  withImages?: boolean;
  /** Kinds that the API server has, besides those that helm knows. */
  apiVersions?: string[];
}

export async function helm(args: string[], input = ""): Promise<ExecResult> {
  const folders = await toolFolders({ compile: false });
  const PATH = [...folders, process.env.PATH ?? ""].join(delimiter);
  // Nothing here may ask a cluster.
  return tryRun("helm", args, { input, env: { PATH, KUBECONFIG: "/dev/null" } });
}

/**
 * `helm template`, or with other words whatever takes a chart and values; the values come on standard input.
 */
function tryRender(values: Values = {}, options: RenderOptions = {}, command = ["template"]) {
  const { release = "fairlead", namespace = "jobs", withImages = true, apiVersions = [] } = options;
  const files = withImages ? [images, values] : [values];
  const args = [...command, release, chart, "--namespace", namespace, "--values", "-"];
  for (const version of apiVersions) args.push("--api-versions", version);
  // JSON: of YAML, helm speaks an older version.
  return helm(args, JSON.stringify(files.reduce<Values>(merge, {})));
}

export async function renderText(values: Values = {}, options: RenderOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryRender(values, options);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

export async function render(values: Values = {}, options: RenderOptions = {}): Promise<Manifest[]> {
  const documents = parseAllDocuments(await renderText(values, options));
  return documents
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** What `helm install` prints at its end. */
export async function notes(values: Values = {}, options: RenderOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryRender(values, options, ["install", "--dry-run=client"]);
  if (code !== 0) throw new Error(stderr);
  return stdout.slice(stdout.indexOf("\nNOTES:"));
}

/** What a refused rendering said. */
export async function refusal(values: Values, options: RenderOptions = {}): Promise<string> {
  const { code, stderr } = await tryRender(values, options);
  if (code === 0) throw new Error(`rendered, though it should not: ${JSON.stringify(values)}`);
  return stderr;
}

export function find(manifests: Manifest[], kind: string, name: string): Manifest {
  const found = manifests.filter((each) => each.kind === kind && each.metadata.name === name);
  if (found.length !== 1 || !found[0]) throw new Error(`${found.length} of ${kind} ${name}`);
  return found[0];
}

export function namesOf(manifests: Manifest[], kind: string): string[] {
  return manifests.filter((each) => each.kind === kind).map((each) => each.metadata.name);
}

/** Every pod that the chart makes, by what makes it. */
export function podTemplates(manifests: Manifest[]): Map<string, PodTemplate> {
  const pods = new Map<string, PodTemplate>();
  for (const manifest of manifests) {
    const name = `${manifest.kind} ${manifest.metadata.name}`;
    if (manifest.kind === "Pod") pods.set(name, manifest as unknown as PodTemplate);
    else if (manifest.spec?.template) pods.set(name, manifest.spec.template);
  }
  return pods;
}

export function podTemplate(manifests: Manifest[], name: string): PodTemplate {
  const pod = podTemplates(manifests).get(name);
  if (!pod) throw new Error(`no ${name}`);
  return pod;
}

export function onlyContainer(pod: PodTemplate): Container {
  const [container, ...others] = pod.spec.containers;
  if (!container || others.length > 0) throw new Error(`${pod.spec.containers.length} containers`);
  return container;
}

/** The environment of a workload's only container; what comes from elsewhere is left out. */
export function environment(manifests: Manifest[], name: string): Record<string, string> {
  const env = onlyContainer(podTemplate(manifests, name)).env ?? [];
  return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
}

function merge(base: Values, over: Values): Values {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    merged[key] = isValues(old) && isValues(value) ? merge(old, value) : value;
  }
  return merged;
}

const isValues = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);
