/** What image builds need of the machine: an engine, files for the bases, the object store's binary. */
import { ensurePackages } from "../cluster/builtin/packages.ts";
import { type Engine, findEngine } from "./engine.ts";

/** The engine of this machine; installs buildah where there is root and apt-get, and Docker does not answer. */
export async function requireEngine(): Promise<Engine> {
  const engine = await findEngine();
  if (engine) return engine;
  if (process.platform === "linux" && process.getuid?.() === 0) {
    await ensurePackages([{ command: "buildah", package: "buildah" }]);
    const installed = await findEngine();
    if (installed) return installed;
  }
  throw new Error(
    "no way to build or push images: Docker's daemon does not answer (start it, then `docker version` tells), " +
      "and buildah is only used as root on Linux",
  );
}

/** Sees to it that the machine has the files that root folders are made of. */
export async function requireBaseFiles(): Promise<void> {
  await ensurePackages([
    { command: "/bin/busybox", package: "busybox-static" },
    { command: "/etc/ssl/certs/ca-certificates.crt", package: "ca-certificates" },
    { command: "/usr/share/zoneinfo/tzdata.zi", package: "tzdata" },
    // Not redis-server, which would start one.
    { command: "/usr/bin/redis-check-rdb", package: "redis-tools" },
  ]);
}
