/**
 * Kubernetes' Pod Security Standard `restricted`, as far as a pod's own fields decide it: what a namespace
 * that enforces it would refuse.
 */
interface SecurityContext {
  privileged?: boolean;
  allowPrivilegeEscalation?: boolean;
  runAsNonRoot?: boolean;
  runAsUser?: number;
  procMount?: string;
  seccompProfile?: { type?: string };
  capabilities?: { add?: string[]; drop?: string[] };
  sysctls?: { name: string }[];
}

interface SecuredContainer {
  name: string;
  securityContext?: SecurityContext;
  ports?: { hostPort?: number }[];
}

export interface PodSpec {
  hostNetwork?: boolean;
  hostPID?: boolean;
  hostIPC?: boolean;
  securityContext?: SecurityContext;
  containers: SecuredContainer[];
  initContainers?: SecuredContainer[];
  ephemeralContainers?: SecuredContainer[];
  volumes?: ({ name: string } & Record<string, unknown>)[];
}

const volumeTypes = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
];
const seccompTypes = ["RuntimeDefault", "Localhost"];

/** Every violation as `place: what it must be`; none: the pod is let in. */
export function restrictedViolations(pod: PodSpec): string[] {
  const found: string[] = [];
  const check = (good: boolean, violation: string) => {
    if (!good) found.push(violation);
  };
  for (const field of ["hostNetwork", "hostPID", "hostIPC"] as const) {
    check(!pod[field], `${field}: must not be true`);
  }
  for (const volume of pod.volumes ?? []) {
    const types = Object.keys(volume).filter((key) => key !== "name");
    for (const type of types) check(volumeTypes.includes(type), `volume ${volume.name}: no ${type}`);
  }
  check(!pod.securityContext?.sysctls?.length, "securityContext.sysctls: must be empty");
  check(pod.securityContext?.runAsUser !== 0, "securityContext.runAsUser: must not be 0");

  const containers = [...pod.containers, ...(pod.initContainers ?? []), ...(pod.ephemeralContainers ?? [])];
  for (const { name, securityContext: own = {}, ports = [] } of containers) {
    check(!own.privileged, `${name} privileged: must not be true`);
    check(own.allowPrivilegeEscalation === false, `${name} allowPrivilegeEscalation: must be false`);
    check(own.runAsUser !== 0, `${name} runAsUser: must not be 0`);
    check((own.procMount ?? "Default") === "Default", `${name} procMount: must be Default`);
    check(own.capabilities?.drop?.includes("ALL") === true, `${name} capabilities.drop: must have ALL`);
    const added = own.capabilities?.add ?? [];
    check(
      added.every((capability) => capability === "NET_BIND_SERVICE"),
      `${name} capabilities.add: only NET_BIND_SERVICE`,
    );
    const nonRoot = own.runAsNonRoot ?? pod.securityContext?.runAsNonRoot;
    check(nonRoot === true, `${name} runAsNonRoot: must be true`);
    const seccomp = own.seccompProfile?.type ?? pod.securityContext?.seccompProfile?.type ?? "";
    check(seccompTypes.includes(seccomp), `${name} seccompProfile.type: must be RuntimeDefault or Localhost`);
    check(
      ports.every(({ hostPort }) => !hostPort),
      `${name} hostPort: must not be set`,
    );
  }
  return found;
}
