import { describe, expect, it } from "vitest";
import { type PodSpec, restrictedViolations } from "./podSecurity.ts";

const good = (): PodSpec => ({
  securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
  containers: [
    { name: "main", securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } },
  ],
  volumes: [{ name: "tmp", emptyDir: {} }],
});

/** The good pod with the container's securityContext changed. */
const contained = (change: Record<string, unknown>): PodSpec => {
  const pod = good();
  Object.assign(pod.containers[0]?.securityContext ?? {}, change);
  return pod;
};

describe("restrictedViolations", () => {
  it("restrictedViolations lets a restricted pod in", () => {
    expect(restrictedViolations(good())).toEqual([]);
  });

  it.each<[string, PodSpec]>([
    ["hostNetwork", { ...good(), hostNetwork: true }],
    ["hostPID", { ...good(), hostPID: true }],
    ["volume host: no hostPath", { ...good(), volumes: [{ name: "host", hostPath: { path: "/" } }] }],
    ["runAsNonRoot", { ...good(), securityContext: { seccompProfile: { type: "RuntimeDefault" } } }],
    ["seccompProfile", { ...good(), securityContext: { runAsNonRoot: true } }],
    ["seccompProfile", contained({ seccompProfile: { type: "Unconfined" } })],
    ["runAsNonRoot", contained({ runAsNonRoot: false })],
    ["runAsUser", contained({ runAsUser: 0 })],
    ["privileged", contained({ privileged: true })],
    ["allowPrivilegeEscalation", contained({ allowPrivilegeEscalation: undefined })],
    ["capabilities.drop", contained({ capabilities: {} })],
    ["capabilities.add", contained({ capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } })],
    [
      "hostPort",
      { ...good(), containers: [{ ...good().containers[0], name: "main", ports: [{ hostPort: 80 }] }] },
    ],
    [
      "runAsNonRoot",
      { ...good(), initContainers: [{ name: "first", securityContext: { runAsNonRoot: false } }] },
    ],
  ])("restrictedViolations refuses a pod for its %s", (field, pod) => {
    expect(restrictedViolations(pod).join("\n")).toContain(field);
  });
});
