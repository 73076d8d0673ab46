/** The values of the pod policy arrive in the process as they are written, and are its defaults. */
import { describe, expect, it } from "vitest";
import { readConfig } from "../../../operator/src/config.ts";
import { podPolicySettings } from "../../../operator/src/jobs/podPolicySettings.ts";
import { environment, refusal, render } from "./render.ts";

const policyOf = async (values: object = {}) =>
  readConfig(environment(await render({ podPolicy: values }), "Deployment fairlead-controller")).podPolicy;

describe("podPolicy", () => {
  it("the chart's defaults are those of the code", async () => {
    expect(await policyOf()).toEqual(podPolicySettings.parse({}));
  });

  it("values reach the controller, also those of one namespace", async () => {
    const namespaces = { "team-a": { serviceAccounts: ["worker"], max: { cpu: 32 } } };
    const policy = await policyOf({ runAsRoot: true, max: { memory: "1Gi" }, namespaces });
    expect(policy).toMatchObject({
      runAsRoot: true,
      max: { memory: "1Gi", cpu: "16" },
      namespaces: { "team-a": { serviceAccounts: ["worker"], max: { cpu: "32" } } },
    });
  });

  it("a release that watches its own namespace only has to execute runs there", async () => {
    const watchNamespaces = ["jobs"];
    expect(await refusal({ watchNamespaces })).toMatch(/watchNamespaces: .*podPolicy\.releaseNamespace=true/);
    const podPolicy = { releaseNamespace: true };
    const controller = environment(
      await render({ watchNamespaces, podPolicy }),
      "Deployment fairlead-controller",
    );
    expect(controller.FAIRLEAD_API_KEY_NAMESPACE).toBe("jobs");
  });

  it.each<[string, object]>([
    ["secret", { secret: ["x"] }],
    ["/podPolicy/secrets/0", { secrets: ["a*b"] }],
    ["/podPolicy/runAsRoot", { runAsRoot: "yes" }],
    ["/podPolicy/maxDurationSeconds", { maxDurationSeconds: 0 }],
    ["/podPolicy/namespaces/team-a", { namespaces: { "team-a": { closedNamespaces: [] } } }],
  ])("an invalid %s is refused", async (field, podPolicy) => {
    expect(await refusal({ podPolicy })).toContain(field);
  });
});
