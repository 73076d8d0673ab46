/** What `helm install` makes: with no values, and with those that change the parts. */
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readConfig } from "../../operator/src/config.ts";
import { restrictedViolations } from "./test/podSecurity.ts";
import {
  environment,
  find,
  namesOf,
  notes,
  onlyContainer,
  podTemplate,
  podTemplates,
  render,
  renderText,
  type Values,
} from "./test/render.ts";

const external = {
  redis: { embedded: false, url: "rediss://redis.example:6380", existingSecret: "my-redis" },
  objectStore: {
    embedded: false,
    endpoint: "https://s3.example",
    publicEndpoint: "https://files.example",
    bucket: "runs",
    region: "eu-central-1",
    forcePathStyle: false,
    existingSecret: "my-s3",
  },
};
const withoutPersistence = { persistence: { enabled: false } };
/** Values that change which resources there are. */
const variants: [string, Values][] = [
  ["no values", {}],
  ["external services", external],
  ["no persistence", withoutPersistence],
  ["watched namespaces", { watchNamespaces: ["one", "two"] }],
  ["own Secrets", { signing: { existingSecret: "my-signing" }, apiKey: { existingSecret: "my-key" } }],
  ["no CRDs", { crds: { install: false } }],
];

describe("with no values", () => {
  it("the chart makes two of controller and api, Redis, the object store, and their Services", async () => {
    const manifests = await render();
    const workloads = manifests.filter(({ kind }) => kind === "Deployment");
    expect(
      workloads.map(({ kind, metadata, spec }) => `${spec.replicas} ${kind} ${metadata.name}`).sort(),
    ).toEqual([
      "1 Deployment fairlead-objectstore",
      "1 Deployment fairlead-redis",
      "2 Deployment fairlead-api",
      "2 Deployment fairlead-controller",
    ]);
    const ports = manifests
      .filter(({ kind }) => kind === "Service")
      .map(({ metadata, spec }) => [metadata.name, (spec.ports as { port: number }[])[0]?.port]);
    expect(Object.fromEntries(ports)).toEqual({
      "fairlead-api": 80,
      "fairlead-redis": 6379,
      "fairlead-objectstore": 7070,
    });
    expect(namesOf(manifests, "PersistentVolumeClaim")).toEqual(["fairlead-objectstore"]);
  });

  it("the chart runs the images that were given", async () => {
    const manifests = await render();
    const used = [...podTemplates(manifests)].map(([name, pod]) => [name, onlyContainer(pod).image]);
    expect(Object.fromEntries(used)).toEqual({
      "Deployment fairlead-api": "registry.test/operator:1111",
      "Deployment fairlead-controller": "registry.test/operator:1111",
      "Deployment fairlead-objectstore": "registry.test/versitygw:3333",
      "Deployment fairlead-redis": "registry.test/redis:2222",
      "Pod fairlead-test": "registry.test/operator:1111",
    });
  });

  it("the chart gives both servers settings that they accept, with the chart's defaults", async () => {
    const manifests = await render();
    const controller = readConfig(environment(manifests, "Deployment fairlead-controller"));
    expect(controller).toMatchObject({
      namespace: "jobs",
      fullname: "fairlead",
      watchNamespaces: [],
      apiUrl: "http://fairlead-api.jobs.svc:80",
      s3: { endpoint: "http://fairlead-objectstore.jobs.svc:7070", bucket: "fairlead", forcePathStyle: true },
      redisUrl: "redis://fairlead-redis.jobs.svc:6379",
      createSecrets: ["redis", "objectstore", "signing", "api-key", "api-keys"],
      defaults: { maxDurationSeconds: 3600, startTimeoutSeconds: 300 },
      nodeLostAfterSeconds: 300,
      jobRetentionSeconds: 300,
      leaseName: "fairlead-controller",
      port: 8081,
    });
    const api = readConfig(environment(manifests, "Deployment fairlead-api"));
    expect(api.port).toBe(8080);
    expect(api.secrets).toEqual(controller.secrets);
    expect(api.createSecrets).toEqual([]);
  });

  it("the chart lets Redis and the object store wait for the Secrets that the controller makes", async () => {
    const manifests = await render();
    for (const name of ["Deployment fairlead-redis", "Deployment fairlead-objectstore"]) {
      const pod = podTemplate(manifests, name);
      const secret = pod.spec.volumes?.find((volume) => volume.name === "credentials")?.secret;
      const [, expected] = name.split(" ");
      expect(secret).toMatchObject({ secretName: expected });
      // The kubelet sets up only volumes that a container mounts.
      expect(onlyContainer(pod).volumeMounts?.map((mount) => mount.name)).toContain("credentials");
      const refs = onlyContainer(pod).env?.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name);
      expect(new Set(refs)).toEqual(new Set([expected]));
    }
  });

  it("the chart's notes say what to type next", async () => {
    const text = await notes();
    for (const part of ["kubectl apply", "condition=Finished", "kubectl wait", "helm test"]) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain("WARNING");
    const example = text.slice(text.indexOf("apiVersion:"), text.indexOf("  EOF"));
    expect(parse(`  ${example}`)).toMatchObject({ kind: "TaskRun", metadata: { name: "sum" } });
  });
});

describe.each(variants)("with %s", (_, values) => {
  it("the chart makes pods that Pod Security `restricted` lets in, with a root file system that is read-only", async () => {
    const pods = podTemplates(await render(values));
    expect(pods.size).toBeGreaterThanOrEqual(3);
    for (const [name, pod] of pods) {
      expect(restrictedViolations(pod.spec), name).toEqual([]);
      for (const container of pod.spec.containers) {
        expect(container, name).toMatchObject({ securityContext: { readOnlyRootFilesystem: true } });
        expect(container, name).toHaveProperty("resources.requests.memory");
      }
    }
  });

  it("the chart never renders a Secret, and nothing random", async () => {
    const text = await renderText(values);
    expect(text).not.toMatch(/^\s*kind: Secret$/m);
    expect(await renderText(values)).toBe(text);
  });

  it("the chart makes only hooks that `helm test` runs, and no finalizers", async () => {
    for (const manifest of await render(values)) {
      expect(manifest.metadata).not.toHaveProperty("finalizers");
      const hook = manifest.metadata.annotations?.["helm.sh/hook"];
      expect(hook ?? "test", manifest.metadata.name).toBe("test");
    }
  });

  it("the chart selects the pods of one workload with each selector", async () => {
    const manifests = await render(values);
    const workloads = manifests.filter(({ spec }) => spec?.template);
    for (const { kind, metadata, spec } of manifests) {
      if (kind !== "Service" && kind !== "PodDisruptionBudget") continue;
      const selector = kind === "Service" ? spec.selector : spec.selector?.matchLabels;
      const chosen = workloads.filter((workload) => {
        const labels = workload.spec.template?.metadata.labels ?? {};
        return Object.entries(selector ?? {}).every(([key, value]) => labels[key] === String(value));
      });
      expect(chosen.map((workload) => workload.metadata.name)).toEqual([metadata.name]);
    }
  });
});

describe("the loss of a node", () => {
  it("every pod leaves a node that does not answer within seconds, Redis first", async () => {
    const manifests = await render();
    const seconds = (part: string) =>
      podTemplate(manifests, `Deployment fairlead-${part}`).spec.tolerations?.map((one) => [
        one.key,
        one.tolerationSeconds,
      ]);
    const both = (limit: number) => [
      ["node.kubernetes.io/not-ready", limit],
      ["node.kubernetes.io/unreachable", limit],
    ];
    expect(seconds("redis")).toEqual(both(5));
    for (const part of ["controller", "api", "objectstore"]) expect(seconds(part)).toEqual(both(15));
  });

  it("a time that the values set for such a node counts", async () => {
    const own = { key: "node.kubernetes.io/unreachable", operator: "Exists", tolerationSeconds: 600 };
    const manifests = await render({ redis: { tolerations: [own] } });
    const { tolerations } = podTemplate(manifests, "Deployment fairlead-redis").spec;
    expect(tolerations?.filter(({ key }) => key === own.key)).toEqual([own]);
  });

  it("Redis has no volume that would keep it on its node", async () => {
    const manifests = await render();
    expect(namesOf(manifests, "PersistentVolumeClaim")).toEqual(["fairlead-objectstore"]);
    const pod = podTemplate(manifests, "Deployment fairlead-redis");
    expect(pod.spec.volumes).toContainEqual({ name: "data", emptyDir: {} });
    expect(onlyContainer(pod).args?.join(" ")).toContain("--appendonly no");
  });

  it("replicas prefer nodes of their own", async () => {
    const manifests = await render();
    for (const part of ["controller", "api"]) {
      const { affinity } = podTemplate(manifests, `Deployment fairlead-${part}`).spec;
      const [term] = affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      expect(term?.podAffinityTerm).toMatchObject({
        topologyKey: "kubernetes.io/hostname",
        labelSelector: { matchLabels: { "app.kubernetes.io/component": part } },
      });
    }
  });
});

describe("parts", () => {
  it("the chart leaves out Redis and the object store where there are others", async () => {
    const manifests = await render(external);
    expect(namesOf(manifests, "PersistentVolumeClaim")).toEqual([]);
    expect(namesOf(manifests, "Deployment").sort()).toEqual(["fairlead-api", "fairlead-controller"]);
    expect(namesOf(manifests, "Service")).toEqual(["fairlead-api"]);
    const config = readConfig(environment(manifests, "Deployment fairlead-controller"));
    expect(config).toMatchObject({
      redisUrl: "rediss://redis.example:6380",
      s3: {
        endpoint: "https://s3.example",
        publicEndpoint: "https://files.example",
        bucket: "runs",
        region: "eu-central-1",
        forcePathStyle: false,
        isShared: true,
      },
      secrets: { redis: "my-redis", objectstore: "my-s3" },
      createSecrets: ["signing", "api-key", "api-keys"],
    });
  });

  it("the chart takes an external Redis without a password", async () => {
    const manifests = await render({ redis: { ...external.redis, existingSecret: "" } });
    const { secrets, createSecrets } = readConfig(environment(manifests, "Deployment fairlead-controller"));
    expect(secrets.redis).toBe("");
    expect(createSecrets).not.toContain("redis");
  });

  it("the chart uses the Secrets that are named, and makes none of them", async () => {
    const manifests = await render({
      redis: { existingSecret: "my-redis" },
      objectStore: { existingSecret: "my-s3" },
      signing: { existingSecret: "my-signing" },
      apiKey: { existingSecret: "my-key" },
    });
    const config = readConfig(environment(manifests, "Deployment fairlead-controller"));
    expect(config.secrets).toEqual({
      redis: "my-redis",
      objectstore: "my-s3",
      signing: "my-signing",
      "api-key": "my-key",
      "api-keys": "fairlead-api-keys",
    });
    expect(config.createSecrets).toEqual(["api-keys"]);
    const redis = onlyContainer(podTemplate(manifests, "Deployment fairlead-redis"));
    expect(redis.env?.[0]?.valueFrom?.secretKeyRef).toEqual({ name: "my-redis", key: "password" });
  });

  it("the chart keeps nothing on disk without persistence, and warns", async () => {
    const manifests = await render(withoutPersistence);
    expect(namesOf(manifests, "PersistentVolumeClaim")).toEqual([]);
    const { volumes } = podTemplate(manifests, "Deployment fairlead-objectstore").spec;
    expect(volumes).toContainEqual({ name: "data", emptyDir: {} });
    expect(await notes(withoutPersistence)).toContain("WARNING: persistence.enabled=false. Payloads");
  });

  it("the chart asks for volumes of the size and class that were given, and keeps them at uninstall", async () => {
    const claim = (
      await render({ objectStore: { persistence: { size: "3Gi", storageClass: "fast" } } })
    ).find(
      ({ kind, metadata }) => kind === "PersistentVolumeClaim" && metadata.name === "fairlead-objectstore",
    );
    expect(claim?.spec).toMatchObject({
      storageClassName: "fast",
      resources: { requests: { storage: "3Gi" } },
    });
    expect(claim?.metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
    const byDefault = find(await render(), "PersistentVolumeClaim", "fairlead-objectstore");
    expect(byDefault.spec).not.toHaveProperty("storageClassName");
  });

  it("the chart places pods, and lets no label of the user's stand for one that a selector needs", async () => {
    const placement = {
      podLabels: { team: "x", "app.kubernetes.io/component": "mine" },
      nodeSelector: { disk: "ssd" },
      tolerations: [{ key: "only", operator: "Exists" }],
      affinity: { nodeAffinity: {} },
    };
    const parts = ["controller", "api", "redis", "objectStore"];
    const values = Object.fromEntries(parts.map((part) => [part, placement]));
    const manifests = await render({ ...values, imagePullSecrets: [{ name: "my-registry" }] });
    for (const part of parts) {
      const { metadata, spec } = podTemplate(manifests, `Deployment fairlead-${part.toLowerCase()}`);
      const { podLabels: _, tolerations, ...fields } = placement;
      expect(spec).toMatchObject({ ...fields, imagePullSecrets: [{ name: "my-registry" }] });
      expect(spec.tolerations).toEqual(expect.arrayContaining(tolerations));
      expect(metadata.labels).toMatchObject({
        team: "x",
        "app.kubernetes.io/component": part.toLowerCase(),
      });
    }
  });

  it("the chart prefers an image's digest to its tag", async () => {
    const digest = `sha256:${"a".repeat(64)}`;
    const manifests = await render({ image: { digest } });
    const { image } = onlyContainer(podTemplate(manifests, "Deployment fairlead-api"));
    expect(image).toBe(`registry.test/operator@${digest}`);
  });

  it("the chart starts every name with the release's, short enough for all suffixes and without dots", async () => {
    const release = `a.${"b".repeat(50)}`;
    const names = (await render({ crds: { install: false } }, { release })).map((each) => each.metadata.name);
    for (const name of names) {
      expect(name).toMatch(/^(jobs-)?a-b{38}-[a-z-]+$/);
    }
    const overridden = await render({ fullnameOverride: "other" });
    expect(namesOf(overridden, "Service")).toContain("other-api");
  });
});
