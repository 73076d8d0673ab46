/** What image builds need on this machine: an engine, files for the bases, the object store's binary. */
import { ensurePackages } from "../cluster/builtin/packages.ts";
import { type Engine, findEngine } from "./engine.ts";

/**
 * The engine of this machine; installs buildah when Docker does not answer and there are root and apt-get.
 */
export async function requireEngine(): Promise<Engine> {
  const engine = await findEngine();
  if (engine) return engine;
  if (process.platform === "linux" && process.getuid?.() === 0) {
    await ensurePackages([{ command: "buildah", package: "buildah" }]);
    const installed = await findEngine();
    if (installed) return installed;
  }
  throw new Error(
    "no way to build or push images: Docker's daemon does not answer (start it, then try `docker version`), " +
      "and buildah is only used as root on Linux",
  );
}

/** Installs the packages whose files go into root folders. */
export async function requireBaseFiles(): Promise<void> {
  await ensurePackages([
    { command: "/bin/busybox", package: "busybox-static" },
    { command: "/etc/ssl/certs/ca-certificates.crt", package: "ca-certificates" },
    { command: "/usr/share/zoneinfo/tzdata.zi", package: "tzdata" },
    // Not the package redis-server, which would start a server.
    { command: "/usr/bin/redis-check-rdb", package: "redis-tools" },
  ]);
}
