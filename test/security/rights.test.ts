/**
 * What each service account of the installed release may do, asked at the API server as that account. First
 * what it must not: with a process's token, nothing may be had that the process does not use.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { releaseName, releaseNamespace } from "../../hack/start/release.ts";
import { KubeClient, KubeError } from "../../operator/src/kube/client/client.ts";
import { type KubeObject, type Resource, Secrets } from "../../operator/src/kube/resources.ts";
import { type Component, clientOf } from "../support/release/asAccount.ts";

const components = ["controller", "api", "test"] as const;
const clients = {} as Record<Component, KubeClient>;
beforeAll(async () => {
  const made = await Promise.all(components.map(clientOf));
  for (const [i, component] of components.entries()) clients[component] = made[i] as KubeClient;
});
afterAll(() => Promise.all(Object.values(clients).map((client) => client.close())));

type Review = KubeObject & { spec: object; status?: { allowed: boolean } };
const Reviews: Resource<Review> = {
  ...{ group: "authorization.k8s.io", version: "v1", plural: "selfsubjectaccessreviews" },
  ...{ kind: "SelfSubjectAccessReview", namespaced: false },
};

/** `verb resource[.group][/subresource] [name]`, as `kubectl auth can-i` takes it. */
async function canI(client: KubeClient, namespace: string | undefined, question: string): Promise<boolean> {
  const [verb, what = "", name] = question.split(" ");
  const [kind = "", subresource] = what.split("/");
  const [resource, ...group] = kind.split(".");
  const resourceAttributes = { namespace, verb, resource, group: group.join("."), subresource, name };
  const body = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview" };
  const review = await client.create(Reviews, undefined, { ...body, spec: { resourceAttributes } });
  return review.status?.allowed ?? false;
}

async function allowed(component: Component, namespace: string | undefined, questions: readonly string[]) {
  const answers = await Promise.all(questions.map((one) => canI(clients[component], namespace, one)));
  return questions.filter((_, i) => answers[i]);
}

const own = (suffix: string): string => `${releaseName}-${suffix}`;
const each = (verbs: string, what: string) => verbs.split(" ").map((verb) => `${verb} ${what}`);
const verbs = "get list watch create update patch delete deletecollection";
const tenant = "default";

describe("Secrets", () => {
  const names = ["redis", "objectstore", "signing", "api-key", "api-keys"].map(own);
  const uses: Record<Component, string[]> = {
    controller: ["redis", "objectstore"].map(own),
    api: ["objectstore", "signing"].map(own),
    test: [],
  };
  const watches: Record<Component, string[]> = {
    controller: [],
    api: ["api-key", "api-keys"].map(own),
    test: [],
  };

  test.each(components)("the %s reads those of the release that it uses, and no other", async (component) => {
    const gets = [...names, "foreign"].map((name) => `get secrets ${name}`);
    const lists = [...names, "foreign"].flatMap((name) => each("list watch", `secrets ${name}`));
    expect(
      await allowed(component, releaseNamespace, [...gets, ...lists, ...each(verbs, "secrets")]),
    ).toEqual([
      ...uses[component].map((name) => `get secrets ${name}`),
      ...watches[component].flatMap((name) => each("list watch", `secrets ${name}`)),
      ...(component === "controller" ? ["create secrets"] : []),
    ]);
  });

  test.each(components)("the %s changes and deletes none of the release", async (component) => {
    const changes = names.flatMap((name) => each("update patch delete", `secrets ${name}`));
    expect(await allowed(component, releaseNamespace, changes)).toEqual([]);
  });

  test("the API reads and writes a namespace's variables, and no other Secret there", async () => {
    const questions = ["fairlead-env", "foreign"].flatMap((name) => each(verbs, `secrets ${name}`));
    expect(await allowed("api", tenant, questions)).toEqual(each("get create patch", "secrets fairlead-env"));
    expect(await allowed("controller", tenant, questions)).toEqual([]);
    expect(await allowed("test", tenant, questions)).toEqual([]);
  });

  test("the API's list of keys is one of two names: a list of all is refused", async () => {
    const list = (fieldSelector?: string) => clients.api.list(Secrets, releaseNamespace, { fieldSelector });
    const one = await list(`metadata.name=${own("api-keys")}`);
    expect(one.items.map(({ metadata }) => metadata?.name)).toEqual([own("api-keys")]);
    for (const selector of [
      undefined,
      `metadata.name=${own("signing")}`,
      `metadata.name!=${own("signing")}`,
    ]) {
      const refused = await list(selector).catch((error: unknown) => error);
      expect(KubeError.is(refused, "Forbidden"), selector).toBe(true);
    }
  });
});

describe("what would be the whole cluster's", () => {
  const none = [
    ...each(verbs, "nodes"),
    ...each("create update patch", "pods/ephemeralcontainers"),
    ...each("create get", "pods/exec"),
    ...each("create get", "pods/attach"),
    ...each("create get", "pods/portforward"),
    ...each("create update", "pods"),
    "create serviceaccounts/token",
    ...each("create update patch delete", "serviceaccounts"),
    ...["deployments.apps", "daemonsets.apps", "statefulsets.apps", "cronjobs.batch"].flatMap((kind) =>
      each(verbs, kind),
    ),
    ...["roles", "rolebindings", "clusterroles", "clusterrolebindings"].flatMap((kind) =>
      each("create update patch delete bind escalate", `${kind}.rbac.authorization.k8s.io`),
    ),
    ...each("impersonate", "users"),
    ...each("impersonate", "serviceaccounts"),
    ...each("create update patch delete", "namespaces"),
    ...each(verbs, "configmaps"),
    ...each(verbs, "persistentvolumeclaims"),
    ...each("create update patch delete", "customresourcedefinitions.apiextensions.k8s.io"),
    ...each("create update patch delete", "validatingadmissionpolicies.admissionregistration.k8s.io"),
    ...each("create update patch delete", "mutatingwebhookconfigurations.admissionregistration.k8s.io"),
  ];

  test.each(components)("the %s may do none of it, in any namespace", async (component) => {
    for (const namespace of [undefined, "kube-system", releaseNamespace]) {
      expect(await allowed(component, namespace, none), namespace).toEqual([]);
    }
  });
});

describe("the work", () => {
  const kinds = ["tasks", "taskruns", "taskbatches", "taskqueues", "taskschedules", "waittokens"].map(
    (kind) => `${kind}.fairlead.dev`,
  );
  const work: Record<Component, string[]> = {
    controller: [
      ...each("get list watch", kinds[0] as string),
      ...each("get list watch create patch delete", "taskruns.fairlead.dev"),
      ...each("get list watch delete", "taskbatches.fairlead.dev"),
      ...each("get list watch create patch delete", "taskqueues.fairlead.dev"),
      ...each("get list watch create patch delete", "taskschedules.fairlead.dev"),
      ...each("get list watch delete", "waittokens.fairlead.dev"),
      ...each("get list watch create patch delete", "jobs.batch"),
      ...each("get list watch patch", "pods"),
      ...each("get list create patch delete", "controllerrevisions.apps"),
    ],
    api: [
      ...each("get list create patch delete", "tasks.fairlead.dev"),
      ...each("get list watch create update patch", "taskruns.fairlead.dev"),
      ...each("get list watch create delete", "taskbatches.fairlead.dev"),
      ...each("get list create patch", "taskqueues.fairlead.dev"),
      ...each("get list create patch delete", "taskschedules.fairlead.dev"),
      ...each("get list watch create", "waittokens.fairlead.dev"),
      "get jobs.batch",
      ...each("get list", "pods"),
    ],
    test: each("get create delete", "taskruns.fairlead.dev"),
  };

  test.each(components)(
    "the %s may do what it needs in a tenant's namespace, and no more",
    async (component) => {
      const asked = [...kinds, "jobs.batch", "pods", "controllerrevisions.apps"].flatMap((kind) =>
        each(verbs, kind),
      );
      expect(await allowed(component, tenant, asked)).toEqual(work[component]);
    },
  );
});

describe("people", () => {
  const kinds = ["tasks", "taskruns", "taskbatches", "taskqueues", "taskschedules", "waittokens"];

  /** Rights of one of Kubernetes' roles, as they are after aggregation. */
  type Role = KubeObject & { rules?: { apiGroups?: string[]; resources?: string[]; verbs: string[] }[] };
  const ClusterRoles: Resource<Role> = {
    ...{ group: "rbac.authorization.k8s.io", version: "v1", plural: "clusterroles" },
    ...{ kind: "ClusterRole", namespaced: false },
  };

  test.each([
    ["view", "get list watch"],
    ["edit", "get list watch create update patch delete deletecollection"],
    ["admin", "get list watch create update patch delete deletecollection"],
  ])(
    "Kubernetes' role %s has the verbs %s of every kind, and no status but a token's",
    async (name, expected) => {
      const admin = KubeClient.fromEnvironment();
      const role = await admin.get(ClusterRoles, undefined, name);
      await admin.close();
      const rules = (role?.rules ?? []).filter(({ apiGroups }) => apiGroups?.includes("fairlead.dev"));
      const held = new Set(
        rules.flatMap(({ resources = [], verbs }) =>
          resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
        ),
      );
      // Completing a token is writing its status.
      const completing = name === "view" ? [] : each("update patch", "waittokens/status");
      expect(held).toEqual(new Set([...kinds.flatMap((kind) => each(expected, kind)), ...completing]));
    },
  );
});
