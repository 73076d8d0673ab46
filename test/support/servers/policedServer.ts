/**
 * An API server with the chart's admission policies in force, and clients that are the release's service
 * accounts. RBAC lets both do everything. `special` is a namespace where podPolicy differs.
 */
import { waitFor } from "../../../hack/lib/wait.ts";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import {
  ControllerRevisions,
  Events,
  Jobs,
  type KubeObject,
  Leases,
  Namespaces,
  type NewObject,
  Pods,
  type Resource,
  Secrets,
} from "../../../operator/src/kube/resources.ts";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import { ApiServer } from "./apiServer.ts";
import { accountOf, installOwnRights } from "./ownRights.ts";

// biome-ignore lint/suspicious/noExplicitAny: kinds of several types in one table
export type AnyKind = Resource<any>;
export const tenant = "tenant";
/** Where the pod policy allows more. */
export const special = "special";
/** The release's own. */
export const release = "jobs";
const ClusterRoleBindings: Resource<KubeObject> = {
  ...{ group: "rbac.authorization.k8s.io", version: "v1", plural: "clusterrolebindings" },
  ...{ kind: "ClusterRoleBinding", namespaced: false },
};
const ServiceAccounts: Resource<KubeObject> = {
  ...{ group: "", version: "v1", plural: "serviceaccounts", kind: "ServiceAccount", namespaced: true },
};

const account = (component: "controller" | "api") => accountOf(release, component);

export class PolicedServer {
  readonly admin: KubeClient;
  readonly controller: KubeClient;
  readonly api: KubeClient;
  readonly #server: ApiServer;

  private constructor(server: ApiServer) {
    this.#server = server;
    this.admin = server.client();
    this.controller = server.client({}, account("controller"));
    this.api = server.client({}, account("api"));
  }

  static async start(): Promise<PolicedServer> {
    const policed = new PolicedServer(await ApiServer.start());
    await policed.#install();
    return policed;
  }

  async #install(): Promise<void> {
    const { admin, controller, api } = this;
    for (const name of [tenant, special, release])
      await admin.create(Namespaces, undefined, { metadata: { name } });
    // No pod is admitted without it, and no controller makes it here.
    await admin.create(ServiceAccounts, tenant, { metadata: { name: "default" } });
    const podPolicy = {
      namespaces: {
        [special]: {
          ...{ serviceAccounts: ["worker"], secrets: ["team-*"], volumeTypes: ["nfs"], runAsRoot: true },
          ...{ tokenAudiences: ["vault"], priorityClasses: ["high"], persistentVolumeClaims: ["data"] },
        },
      },
    };
    await installOwnRights(admin, release, { podPolicy }, ({ kind }) => kind.startsWith("Validating"));
    await admin.create(ClusterRoleBindings, undefined, {
      ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding" },
      metadata: { name: "everything" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
      subjects: [account("controller"), account("api")].map((name) => ({ kind: "User", name })),
    } as KubeObject);
    await waitFor("all policies are in force", async () => {
      const refused = await Promise.all([
        ...[Jobs, Pods, Secrets, Leases, ControllerRevisions, Events].map((kind) =>
          tried(controller, kind, {}),
        ),
        ...[TaskRuns, TaskBatches].map((kind) => tried(api, kind, {})),
      ]);
      return refused.every((message) => message.includes("ValidatingAdmissionPolicy"));
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.admin, this.controller, this.api].map((client) => client.close()));
    await this.#server.stop();
  }
}

export const image = "registry.test/i:1";
/** Of each kind one that is not Fairlead's. */
export const foreign: Record<string, object> = {
  Job: { spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image }] } } } },
  Pod: { spec: { containers: [{ name: "c", image }] } },
  Event: { involvedObject: { namespace: tenant, name: "x", kind: "Pod" }, reason: "x" },
  ControllerRevision: { revision: 1, data: { x: 1 } },
  TaskRun: { spec: { container: { image } } },
  TaskBatch: { spec: { items: [{ container: { image } }] } },
};

/** Empty: accepted; else what the API server said. */
export async function tried(
  client: KubeClient,
  kind: AnyKind,
  fields: object,
  namespace = tenant,
): Promise<string> {
  const version = kind.group ? `${kind.group}/${kind.version}` : kind.version;
  const named = { apiVersion: version, kind: kind.kind, metadata: { name: "tried", namespace } };
  const body = merged(merged(named, foreign[kind.kind] ?? {}), fields) as unknown as NewObject<KubeObject>;
  return client.create(kind, namespace, body, { dryRun: true }).then(
    () => "",
    (error: Error) => error.message,
  );
}

export type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export function merged(base: object, over: object): Fields {
  const all = { ...base } as Fields;
  for (const [key, value] of Object.entries(over)) {
    const old = all[key];
    all[key] = isFields(old) && isFields(value) ? merged(old, value) : value;
  }
  return all;
}
