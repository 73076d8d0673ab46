/**
 * When the admission policies are rendered, and whom they bind; what they refuse is tried in
 * test/integration/security/admission.test.ts.
 */
import { describe, expect, it } from "vitest";
import { type Manifest, namesOf, refusal, render, type Values } from "./render.ts";

const [policy, binding] = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
const kinds = ["jobs", "pods", "versions", "leases", "secrets", "events", "runs", "batches", "tasks"];
const names = kinds.map((kind) => `jobs-fairlead-${kind}`);
const rendered = async (values: Values, apiVersions: string[] = []) =>
  namesOf(await render(values, { apiVersions }), policy);

describe("the admission policies", () => {
  const known = [`admissionregistration.k8s.io/v1/${policy}`];

  it.each<[string, Values, string[], string[]]>([
    ["by default", {}, known, names],
    ["by default, on an API server without them", {}, [], []],
    ["with watchNamespaces", { watchNamespaces: ["one"] }, known, []],
    ["when they are wanted", { watchNamespaces: ["one"], admissionPolicy: { enabled: true } }, [], names],
    ["when they are not wanted", { admissionPolicy: { enabled: false } }, known, []],
  ])("%s", async (_, values, versions, expected) => {
    expect(await rendered(values, versions)).toEqual(expected);
  });

  it("each is bound, denies, and is for the release's own accounts alone", async () => {
    const manifests = await render({ admissionPolicy: { enabled: true }, fullnameOverride: "mine" });
    const all = manifests.filter(({ kind }) => kind === policy);
    expect(all.length).toBe(kinds.length);
    for (const { metadata, spec } of all) {
      const [bound] = manifests.filter(
        (one: Manifest) => one.kind === binding && one.metadata.name === metadata.name,
      );
      expect(bound?.spec).toEqual({ policyName: metadata.name, validationActions: ["Deny"] });
      expect(spec.failurePolicy).toBe("Fail");
      const [condition, ...others] = spec.matchConditions as { expression: string }[];
      expect(others).toEqual([]);
      expect(condition?.expression).toMatch(
        /^request\.userInfo\.username in \[("system:serviceaccount:jobs:mine-(controller|api)",?)+\]$/,
      );
    }
  });

  it("a name with quotes stays a text", async () => {
    const manifests = await render({
      admissionPolicy: { enabled: true },
      podPolicy: { serviceAccounts: ['x")||true||("'] },
    });
    const jobs = manifests.find(({ kind, metadata }) => kind === policy && metadata.name.endsWith("-jobs"));
    const validations = (jobs?.spec.validations ?? []) as { message: string; expression: string }[];
    const rule = validations.find(({ message }) => message.includes("podPolicy.serviceAccounts"));
    expect(rule?.expression).toContain(String.raw`in ["x\")||true||(\""]`);
  });

  it("another word is refused", async () => {
    expect(await refusal({ admissionPolicy: { enabled: "always" } })).toContain("/admissionPolicy/enabled");
  });
});
