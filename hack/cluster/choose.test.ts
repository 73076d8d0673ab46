import { describe, expect, test } from "vitest";
import { decide, type Facts } from "./choose.ts";
import { ClusterError } from "./provider.ts";

const bare: Facts = {
  wanted: undefined,
  kubeconfig: undefined,
  ownKubeconfig: "/cache/admin.kubeconfig",
  builtInExists: false,
  dockerAnswers: false,
  platform: "linux",
  root: true,
};
const choose = (facts: Partial<Facts>) => decide({ ...bare, ...facts });

describe("the cluster provider that is chosen", () => {
  test.each<[string, Partial<Facts>, string]>([
    ["root on Linux and nothing else", {}, "built-in"],
    ["a Docker daemon", { dockerAnswers: true }, "kind"],
    [
      "a Docker daemon, but a cluster that was made here",
      { dockerAnswers: true, builtInExists: true },
      "built-in",
    ],
    ["a user with Docker", { dockerAnswers: true, root: false }, "kind"],
    ["CLUSTER over everything", { wanted: "kind", builtInExists: true }, "kind"],
    ["CLUSTER=current", { wanted: "current", kubeconfig: "/home/me/.kube/config" }, "current"],
  ])("%s: the matching provider is chosen", (_what, facts, provider) => {
    expect(choose(facts).provider).toBe(provider);
  });

  test("a kubeconfig alone is never a reason to touch the user's cluster", () => {
    const { provider, reason } = choose({ kubeconfig: "/home/me/.kube/config" });
    expect(provider).toBe("built-in");
    expect(reason).toContain("only used with CLUSTER=current");
    expect(choose({ kubeconfig: "/cache/admin.kubeconfig" }).reason).not.toContain("current");
  });

  test.each<[string, Partial<Facts>, string]>([
    ["no way at all", { root: false }, "Start Docker, become root on Linux, or set CLUSTER=current"],
    ["an unknown way", { wanted: "minikube" }, "must be current, kind or built-in"],
    ["built-in without root", { wanted: "built-in", root: false }, "root"],
    ["built-in on a Mac", { wanted: "built-in", platform: "darwin" }, "Linux"],
  ])("%s is refused with what is wrong", (_what, facts, message) => {
    expect(() => choose(facts)).toThrow(ClusterError);
    expect(() => choose(facts)).toThrow(message);
  });
});
