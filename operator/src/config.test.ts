import { expect, test } from "vitest";
import { ConfigError, readConfig } from "./config.ts";

const least = {
  FAIRLEAD_NAMESPACE: "fairlead",
  FAIRLEAD_FULLNAME: "fl",
  FAIRLEAD_API_URL: "http://fl-api.fairlead.svc/",
  FAIRLEAD_S3_ENDPOINT: "http://fl-objectstore:7070",
  FAIRLEAD_S3_BUCKET: "fairlead",
  FAIRLEAD_S3_SECRET: "fl-objectstore",
  FAIRLEAD_REDIS_URL: "redis://fl-redis:6379",
  FAIRLEAD_SIGNING_SECRET: "fl-signing",
  FAIRLEAD_API_KEY_SECRET: "fl-api-key",
};

test("fills in the defaults", () => {
  expect(readConfig(least)).toMatchObject({
    watchNamespaces: [],
    apiUrl: "http://fl-api.fairlead.svc",
    defaults: { maxDurationSeconds: 3600, startTimeoutSeconds: 300 },
    nodeLostAfterSeconds: 300,
    leaseName: "fl-controller",
    createSecrets: [],
  });
});

test("reads lists", () => {
  const config = readConfig({
    ...least,
    FAIRLEAD_WATCH_NAMESPACES: "a, b,",
    FAIRLEAD_CREATE_SECRETS: "redis,api-key",
  });
  expect(config.watchNamespaces).toEqual(["a", "b"]);
  expect(config.createSecrets).toEqual(["redis", "api-key"]);
});

test.each([
  ["FAIRLEAD_NAMESPACE", undefined],
  ["FAIRLEAD_API_URL", "fl-api"],
  ["FAIRLEAD_MAX_DURATION_SECONDS", "-1"],
  ["FAIRLEAD_CREATE_SECRETS", "everything"],
  ["FAIRLEAD_S3_FORCE_PATH_STYLE", "yes"],
])("names %s when it is %s", (name, value) => {
  const read = () => readConfig({ ...least, [name]: value });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(name);
});
