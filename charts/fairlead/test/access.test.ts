/** Who may do what: the least that works, and nothing of the cluster when namespaces are named. */
import { describe, expect, it } from "vitest";
import {
  environment,
  find,
  type Manifest,
  namesOf,
  notes,
  podTemplates,
  type Rule,
  render,
} from "./render.ts";

const namespaces = ["one", "two"];

/**
 * All rights of a process, each as `verb group/resource`, with `namespace:` where they are limited to one.
 */
function rightsOf(manifests: Manifest[], component: string): Set<string> {
  const rights = new Set<string>();
  for (const binding of manifests.filter(({ kind }) => kind.endsWith("RoleBinding"))) {
    if (!binding.subjects?.some(({ name }) => name === `fairlead-${component}`)) continue;
    const role = manifests.find(
      ({ kind, metadata }) =>
        kind === binding.roleRef?.kind &&
        metadata.name === binding.roleRef.name &&
        metadata.namespace === binding.metadata.namespace,
    );
    if (!role) throw new Error(`${binding.metadata.name} binds nothing`);
    const where = binding.metadata.namespace ? `${binding.metadata.namespace}: ` : "";
    for (const right of (role.rules ?? []).flatMap(spell)) rights.add(where + right);
  }
  return rights;
}

const spell = ({
  apiGroups = [],
  resources = [],
  verbs,
  resourceNames,
  nonResourceURLs = [],
}: Rule): string[] => {
  const named = resourceNames ? ` ${resourceNames.join(",")}` : "";
  const kinds = apiGroups.flatMap((group) => resources.map((resource) => `${group}/${resource}${named}`));
  return [...kinds, ...nonResourceURLs].flatMap((what) => verbs.map((verb) => `${verb} ${what}`));
};

const each = (verbs: string, resource: string) => verbs.split(" ").map((verb) => `${verb} ${resource}`);

const work = {
  controller: [
    ...["taskruns", "taskqueues", "taskschedules"].flatMap((kind) =>
      each("get list watch create patch delete", `fairlead.dev/${kind}`),
    ),
    ...each("get list watch delete", "fairlead.dev/taskbatches"),
    ...each("get list watch delete", "fairlead.dev/waittokens"),
    ...each("get list watch", "fairlead.dev/tasks"),
    ...["taskruns", "tasks", "taskbatches", "taskqueues", "taskschedules", "waittokens"].flatMap((kind) =>
      each("update patch", `fairlead.dev/${kind}/status`),
    ),
    "get /namespaces",
    ...each("get list watch create patch delete", "batch/jobs"),
    ...each("get list watch patch", "/pods"),
    "get /pods/log",
    ...each("list create patch", "/events"),
    ...each("get list create patch delete", "apps/controllerrevisions"),
    ...each("list watch create", "coordination.k8s.io/leases"),
    ...each("get update patch", "coordination.k8s.io/leases fairlead-owner"),
  ],
  api: [
    ...each("get list watch create update patch", "fairlead.dev/taskruns"),
    ...each("get list create patch", "fairlead.dev/taskqueues"),
    ...each("get list watch create delete", "fairlead.dev/taskbatches"),
    ...each("get list watch create", "fairlead.dev/waittokens"),
    ...["tasks", "taskschedules"].flatMap((kind) =>
      each("get list create patch delete", `fairlead.dev/${kind}`),
    ),
    ...["taskruns", "taskbatches", "taskqueues", "taskschedules", "waittokens"].flatMap((kind) =>
      each("update patch", `fairlead.dev/${kind}/status`),
    ),
    "get /pods/log",
    ...each("get create patch", "/secrets fairlead-env"),
    "get /namespaces",
    "get coordination.k8s.io/leases fairlead-owner",
    "get batch/jobs",
    ...each("get list", "/pods"),
  ],
};
const own = {
  controller: [
    "get /namespaces jobs",
    "create coordination.k8s.io/leases",
    ...each("get update patch", "coordination.k8s.io/leases fairlead-controller"),
    "get /secrets fairlead-redis,fairlead-objectstore",
    "create /secrets",
  ],
  api: [
    "get /secrets fairlead-objectstore,fairlead-signing",
    ...each("list watch", "/secrets fairlead-api-key,fairlead-api-keys"),
  ],
};
const inside = (namespace: string, rights: string[]) => rights.map((right) => `${namespace}: ${right}`);

describe.each(["controller", "api"] as const)("the rights of the %s", (component) => {
  it("the rights of a server are its work in all namespaces, and its Secrets and lease in the release's", async () => {
    const rights = rightsOf(await render(), component);
    const everywhere =
      component === "controller" ? each("list watch", "/namespaces") : ["get /openid/v1/jwks"];
    expect(rights).toEqual(new Set([...work[component], ...everywhere, ...inside("jobs", own[component])]));
  });

  it("the rights of a server are its work in the watched namespaces only", async () => {
    const rights = rightsOf(await render({ watchNamespaces: namespaces }), component);
    const watched = namespaces.flatMap((namespace) => inside(namespace, work[component]));
    expect(rights).toEqual(new Set([...watched, ...inside("jobs", own[component])]));
  });

  it("the rights of a server follow the Secrets that are named", async () => {
    const named = { existingSecret: "mine" };
    const values = { redis: named, objectStore: named, signing: named, apiKey: named };
    const rights = [...rightsOf(await render(values), component)].filter((right) =>
      right.includes("/secrets mine"),
    );
    const keys = each("list watch", "/secrets mine,fairlead-api-keys");
    expect(rights).toEqual(inside("jobs", ["get /secrets mine", ...(component === "api" ? keys : [])]));
  });
});

it("the API learns the prefix of its keys only where the bucket may be others', too", async () => {
  const objectStore = { embedded: false, endpoint: "https://s3.example", existingSecret: "my-s3" };
  const values = { objectStore, watchNamespaces: namespaces };
  expect(rightsOf(await render(values), "api")).toContain("jobs: get /namespaces jobs");
  expect(rightsOf(await render({ watchNamespaces: namespaces }), "api")).not.toContain(
    "jobs: get /namespaces jobs",
  );
});

describe("watchNamespaces", () => {
  it("a release with watchNamespaces makes nothing of the cluster but CRDs and the roles of their users", async () => {
    const manifests = await render({ watchNamespaces: namespaces });
    expect(namesOf(manifests, "ClusterRole")).toEqual(["jobs-fairlead-view", "jobs-fairlead-edit"]);
    expect(namesOf(manifests, "ClusterRoleBinding")).toEqual([]);
    const clusterWide = manifests.filter(({ metadata }) => !metadata.namespace).map(({ kind }) => kind);
    expect(new Set(clusterWide)).toEqual(new Set(["CustomResourceDefinition", "ClusterRole"]));
    const without = await render({ watchNamespaces: namespaces, crds: { install: false } });
    expect(without.filter(({ metadata }) => !metadata.namespace)).toEqual([]);
    const env = environment(manifests, "Deployment fairlead-controller");
    expect(env.FAIRLEAD_WATCH_NAMESPACES).toBe("one,two");
  });

  it("a release with watchNamespaces names roles so that releases of the same name in two namespaces can watch one", async () => {
    const values = { watchNamespaces: ["one"] };
    const rolesIn = (manifests: Manifest[]) =>
      namesOf(
        manifests.filter(({ metadata }) => metadata.namespace === "one"),
        "Role",
      );
    const first = rolesIn(await render(values, { namespace: "jobs" }));
    const second = rolesIn(await render(values, { namespace: "other" }));
    expect(first).toHaveLength(3);
    expect(first.filter((name) => second.includes(name))).toEqual([]);
  });

  it.each([
    [[], "default"],
    [["jobs", "one"], "one"],
    [["one", "two"], "one"],
  ])("%j: `helm test` and the notes use namespace %s", async (watchNamespaces, namespace) => {
    const manifests = await render({ watchNamespaces });
    expect(environment(manifests, "Pod fairlead-test").FAIRLEAD_NAMESPACE).toBe(namespace);
    const tester = [...each("create get delete", "fairlead.dev/taskruns")];
    expect(rightsOf(manifests, "test")).toEqual(new Set(inside(namespace, tester)));
    const text = await notes({ watchNamespaces });
    expect(text).toContain(`kubectl apply --namespace ${namespace} `);
    expect(text).toContain(`the first key (for namespace ${namespace})`);
    expect(environment(manifests, "Deployment fairlead-controller").FAIRLEAD_API_KEY_NAMESPACE).toBe(
      namespace,
    );
  });
});

describe("the roles of users", () => {
  const kinds = ["tasks", "taskruns", "taskbatches", "taskqueues", "taskschedules", "waittokens"];
  // Completing a token is writing its status.
  const completing = each("update patch", "fairlead.dev/waittokens/status");
  const all = (verbs: string) => kinds.flatMap((kind) => each(verbs, `fairlead.dev/${kind}`));

  it.each([
    ["view", ["view", "edit", "admin"], all("get list watch")],
    ["edit", ["edit", "admin"], [...all("create update patch delete deletecollection"), ...completing]],
  ])("the role %s is a part of Kubernetes' roles %j", async (name, parts, expected) => {
    const role = find(await render(), "ClusterRole", `jobs-fairlead-${name}`);
    const prefix = "rbac.authorization.k8s.io/aggregate-to-";
    const chosen = Object.entries(role.metadata.labels ?? {}).filter(([key]) => key.startsWith(prefix));
    expect(chosen).toEqual(parts.map((part) => [prefix + part, "true"]));
    expect((role.rules ?? []).flatMap(spell).sort()).toEqual(expected.sort());
  });

  it("the roles of users are left out by value, and with the CRDs", async () => {
    for (const values of [{ userRoles: { create: false } }, { crds: { install: false } }]) {
      const roles = namesOf(await render(values), "ClusterRole");
      expect(roles.sort()).toEqual(["jobs-fairlead-api", "jobs-fairlead-controller"]);
    }
  });
});

describe("service accounts", () => {
  it("service accounts are each process's own, with a token only where the Kubernetes API is used", async () => {
    const manifests = await render();
    const used = [...podTemplates(manifests)].map(([name, { spec }]) => [
      name,
      spec.automountServiceAccountToken ? spec.serviceAccountName : "no token",
    ]);
    expect(Object.fromEntries(used)).toEqual({
      "Deployment fairlead-api": "fairlead-api",
      "Deployment fairlead-controller": "fairlead-controller",
      "Deployment fairlead-objectstore": "no token",
      "Deployment fairlead-redis": "no token",
      "Pod fairlead-test": "fairlead-test",
    });
    for (const name of ["fairlead-api", "fairlead-controller", "fairlead-test"]) {
      expect(find(manifests, "ServiceAccount", name)).toMatchObject({ automountServiceAccountToken: false });
    }
  });
});
