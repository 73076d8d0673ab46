import { redactedVariablesAnnotation } from "@fairlead/protocol/labels";
import { describe, expect, it } from "vitest";
import { envPatch, envVarProblem, envVarsOf, envVarsProblem } from "./envVars.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("a variable", () => {
  it.each([
    ["A", "any text\nof é lines"],
    ["_a1", ""],
    ["NODE_ENV", "production"],
    ["NODES", "3"],
    ["DATABASE_PATH", "/data"],
  ])("a variable may have the name %s", (name, value) => expect(envVarProblem(name, value)).toBeUndefined());

  it.each([
    ["1A", "", "is not a variable's name"],
    ["A-B", "", "is not a variable's name"],
    ["", "", "is not a variable's name"],
    ["__proto__", "", "is not a variable's name"],
    ["A".repeat(257), "", "is not a variable's name"],
    ["FAIRLEAD_RUN_TOKEN", "", "Fairlead's own"],
    ["A", "a\0b", "NUL"],
    ["NODE_OPTIONS", "--import=data:text/javascript,1", "decides how programs run"],
    ["NODE_EXTRA_CA_CERTS", "/x", "decides how programs run"],
    ["NODE_TLS_REJECT_UNAUTHORIZED", "0", "decides how programs run"],
    ["LD_PRELOAD", "/x.so", "decides how programs run"],
    ["PATH", "/x", "decides how programs run"],
    ["BASH_ENV", "/x", "decides how programs run"],
    ["https_proxy", "http://x", "decides how programs run"],
    ["SSL_CERT_FILE", "/x", "decides how programs run"],
    ["npm_config_registry", "http://x", "decides how programs run"],
    ["KUBERNETES_SERVICE_HOST", "x", "decides how programs run"],
    ["A", "x".repeat(65_537), "65537 bytes, at most 65536"],
  ])("a variable is refused: %s", (name, value, problem) =>
    expect(envVarProblem(name, value)).toContain(problem),
  );

  it("variables are refused when there are too many, or too many bytes in all", () => {
    const many = Array.from({ length: 1001 }, (_, n) => ({ name: `A${n}`, value: "", isSecret: false }));
    expect(envVarsProblem(many)).toContain("1001 variables, at most 1000");
    const long = Array.from({ length: 9 }, (_, n) => ({
      name: `A${n}`,
      value: "x".repeat(60_000),
      isSecret: false,
    }));
    expect(envVarsProblem(long)).toContain("at most 524288");
    expect(envVarsProblem(long.slice(1))).toBeUndefined();
  });
});

it("variables are read from a Secret by name, with those that are secret", () => {
  const secret = {
    metadata: { annotations: { [redactedVariablesAnnotation]: "B" } },
    data: { B: base64("é"), A: base64("1") },
  };
  expect(envVarsOf(secret)).toEqual([
    { name: "A", value: "1", isSecret: false },
    { name: "B", value: "é", isSecret: true },
  ]);
  expect(envVarsOf(undefined)).toEqual([]);
});

it("a patch keeps, adds and removes variables", () => {
  const secret = { data: { A: base64("1"), B: base64("2") } };
  const [a] = envVarsOf(secret);
  expect(envPatch(secret, [...(a ? [a] : []), { name: "C", value: "3", isSecret: true }])).toEqual({
    metadata: { annotations: { [redactedVariablesAnnotation]: "C" } },
    data: { A: base64("1"), B: null, C: base64("3") },
  });
});
