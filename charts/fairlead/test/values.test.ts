/** Values that cannot work are refused before anything is installed, with a message that names the field. */
import { describe, expect, it } from "vitest";
import { refusal, render, type Values } from "./render.ts";

const notPublished =
  "is empty and no image is published yet: run `npm run images -- --push REGISTRY` and add `-f .fairlead/images-values.yaml`.";

describe("values that are refused", () => {
  it.each<[string, Values]>([
    ["replcas", { replcas: 1 }],
    ["/image", { image: { name: "x" } }],
    ["/image/repository", { image: { repository: "a b" } }],
    ["/image/tag", { image: { tag: 12 } }],
    ["/image/digest", { image: { digest: "abc" } }],
    ["/image/pullPolicy", { image: { pullPolicy: "Sometimes" } }],
    ["/imagePullSecrets/0", { imagePullSecrets: ["my-registry"] }],
    ["/fullnameOverride", { fullnameOverride: "With_Capitals" }],
    ["/watchNamespaces", { watchNamespaces: "one" }],
    ["/watchNamespaces/0", { watchNamespaces: ["A_b"] }],
    ["/watchNamespaces", { watchNamespaces: ["one", "one"] }],
    ["/logLevel", { logLevel: "loud" }],
    ["/defaults/maxDurationSeconds", { defaults: { maxDurationSeconds: "1h" } }],
    ["/defaults/maxDurationSeconds", { defaults: { maxDurationSeconds: 0 } }],
    ["/defaults/startTimeoutSeconds", { defaults: { startTimeoutSeconds: 0 } }],
    ["/nodeLostAfterSeconds", { nodeLostAfterSeconds: -1 }],
    ["/jobRetentionSeconds", { jobRetentionSeconds: 1.5 }],
    ["/crds/keep", { crds: { keep: "maybe" } }],
    ["/userRoles/create", { userRoles: { create: "some" } }],
    ["/controller/replicas", { controller: { replicas: -1 } }],
    ["/controller/resources", { controller: { resources: { request: {} } } }],
    ["/api/service/type", { api: { service: { type: "ExternalName" } } }],
    ["/api/service/port", { api: { service: { port: 70_000 } } }],
    ["/api/bodyLimitMiB", { api: { bodyLimitMiB: 0 } }],
    ["/api/rateLimit/burst", { api: { rateLimit: { burst: 0 } } }],
    ["/api/rateLimit/perSecond", { api: { rateLimit: { perSecond: "fast" } } }],
    ["/api/podLabels/n", { api: { podLabels: { n: 1 } } }],
    ["/redis/url", { redis: { url: "localhost:6379" } }],
    ["/redis/url", { redis: { url: "redis://:password@redis:6379" } }],
    ["/redis/existingSecret", { redis: { existingSecret: "my_secret" } }],
    ["/objectStore/persistence/size", { objectStore: { persistence: { size: "big" } } }],
    ["/objectStore/persistence/storageClass", { objectStore: { persistence: { storageClass: "-" } } }],
    ["/objectStore/endpoint", { objectStore: { endpoint: "s3.example" } }],
    ["/objectStore/publicEndpoint", { objectStore: { publicEndpoint: "https://s3.example/bucket" } }],
    ["/objectStore/bucket", { objectStore: { bucket: "Runs" } }],
    ["/objectStore/forcePathStyle", { objectStore: { forcePathStyle: "yes" } }],
    ["/signing", { signing: { secret: "x" } }],
  ])("an invalid %s is refused: %j", async (field, values) => {
    const message = await refusal(values);
    expect(message).toContain("values don't meet the specifications of the schema");
    expect(message).toContain(field);
  });

  it.each<[string, Values]>([
    ["redis.url is needed with redis.embedded=false", { redis: { embedded: false } }],
    [
      "objectStore.endpoint is needed with objectStore.embedded=false",
      { objectStore: { embedded: false, existingSecret: "my-s3" } },
    ],
    [
      "objectStore.existingSecret is needed with objectStore.embedded=false",
      { objectStore: { embedded: false, endpoint: "https://s3.example" } },
    ],
  ])("values are refused with a message: %s", async (sentence, values) => {
    expect(await refusal(values)).toContain(sentence);
  });

  it.each<[string, Values]>([
    ["image.repository", { image: { repository: "" } }],
    ["redis.image.repository", { redis: { image: { repository: "" } } }],
    ["objectStore.image.repository", { objectStore: { image: { repository: "" } } }],
  ])("an empty %s is refused, with the way to get one", async (field, values) => {
    expect(await refusal(values)).toContain(`: ${field} ${notPublished}`);
  });

  it("no values at all are refused with the same sentence", async () => {
    expect(await refusal({}, { withImages: false })).toContain(notPublished);
  });
});

describe("values that are accepted", () => {
  it.each<[string, Values]>([
    ["a registry with a port", { image: { repository: "registry.test:5000/team/operator" } }],
    ["the globals of a parent chart", { global: { any: 1 } }],
    ["a number as a limit", { api: { resources: { limits: { cpu: 1 } } } }],
    ["no image for what is not embedded", withoutEmbedded()],
  ])("values with %s are accepted", async (_, values) => {
    expect((await render(values)).length).toBeGreaterThan(10);
  });
});

function withoutEmbedded(): Values {
  const image = { repository: "" };
  return {
    redis: { embedded: false, url: "redis://redis.example:6379", image },
    objectStore: { embedded: false, endpoint: "https://s3.example", existingSecret: "my-s3", image },
  };
}
