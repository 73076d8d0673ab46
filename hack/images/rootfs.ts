/**
 * Root folders for images where no registry is in reach, made from what a Debian machine has: the Node of
 * this project's dependencies, Debian's redis and busybox, the object store's static binary.
 *
 * The node one looks like distroless: /nodejs/bin/node, glibc and what Node links to, CA certificates, time
 * zones, a user `nonroot` 65532, /tmp. Programs come with the shared libraries that `ldd` names, in the
 * merged /usr layout. A Dockerfile copies `rootfs/` onto `scratch`; where a registry is, that folder is empty
 * and the base is a public image.
 */
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { versitygwBinary } from "../cluster/builtin/binary.ts";
import { run, tryRun } from "../lib/exec.ts";
import { repoRoot } from "../lib/paths.ts";
import { hashFile, hashTexts } from "./contentHash.ts";

export type RootfsName = "node" | "redis" | "versitygw" | "shell";

interface Program {
  /** Its file on this machine, and its path in the image. */
  from: string;
  to: string;
  /** What stands for its content, where hashing that would take long. */
  version?: string;
}

const nodePackage = join(repoRoot, "node_modules/node");
const certificates = "/etc/ssl/certs/ca-certificates.crt";
const timeZones = "/usr/share/zoneinfo";

async function programsOf(name: RootfsName): Promise<Program[]> {
  switch (name) {
    case "node": {
      const version = hashFile(join(nodePackage, "package.json"));
      return [{ from: join(nodePackage, "bin/node"), to: "/nodejs/bin/node", version }];
    }
    case "redis":
      // Debian's redis-server is this binary under another name; the name it is called by decides what it
      // does.
      return [
        { from: "/usr/bin/redis-check-rdb", to: "/usr/bin/redis-server" },
        { from: "/usr/bin/redis-cli", to: "/usr/bin/redis-cli" },
      ];
    case "versitygw": {
      const from = await versitygwBinary();
      // The folder of the cache is named by what the binary is made from.
      return [{ from, to: "/usr/bin/versitygw", version: basename(dirname(from)) }];
    }
    case "shell":
      return [{ from: "/bin/busybox", to: "/usr/bin/busybox" }];
  }
}

/** Hash of what the root folder is made of: this recipe, the programs, their libraries, the data. */
export async function rootfsKey(name: RootfsName): Promise<string> {
  const parts = [import.meta.filename, certificates, join(timeZones, "tzdata.zi")].map(hashFile);
  for (const { from, version } of await programsOf(name)) {
    parts.push(version ?? hashFile(from), ...(await librariesOf(from)).map(hashFile));
  }
  return hashTexts(name, ...parts);
}

/** Writes `rootfs/`, and an empty `home/`, under `folder`. */
export async function makeRootfs(name: RootfsName, folder: string): Promise<void> {
  const rootfs = join(folder, "rootfs");
  makeSkeleton(rootfs);
  mkdirSync(join(folder, "home"));
  for (const { from, to } of await programsOf(name)) {
    if (!existsSync(from)) throw new Error(`${from} is missing: it goes into the image as ${to}`);
    install(from, rootfs, to);
    for (const library of await librariesOf(from)) install(library, rootfs, mergedUsr(library));
  }
  if (name === "redis") {
    // The names of valkey's own image, so that one command line serves both.
    symlinkSync("redis-server", join(rootfs, "usr/bin/valkey-server"));
    symlinkSync("redis-cli", join(rootfs, "usr/bin/valkey-cli"));
  }
  if (name === "shell") {
    const applets = await run("/bin/busybox", ["--list"]);
    for (const applet of applets.stdout.split("\n")) {
      if (applet && applet !== "busybox") symlinkSync("busybox", join(rootfs, "usr/bin", applet));
    }
  }
}

/** Folders, accounts and data that every image has. */
function makeSkeleton(rootfs: string): void {
  for (const folder of ["etc", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/share", "tmp"]) {
    mkdirSync(join(rootfs, folder), { recursive: true });
  }
  for (const folder of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${folder}`, join(rootfs, folder));
  chmodSync(join(rootfs, "tmp"), 0o1777);
  const accounts = [
    ["root", 0, "/root"],
    ["nobody", 65534, "/nonexistent"],
    ["nonroot", 65532, "/home/nonroot"],
  ] as const;
  const passwd = accounts.map(([name, id, home]) => `${name}:x:${id}:${id}:${name}:${home}:/sbin/nologin\n`);
  writeFileSync(join(rootfs, "etc/passwd"), passwd.join(""));
  writeFileSync(join(rootfs, "etc/group"), accounts.map(([name, id]) => `${name}:x:${id}:\n`).join(""));
  writeFileSync(join(rootfs, "etc/nsswitch.conf"), "hosts: files dns\n");
  install(certificates, rootfs, certificates);
  cpSync(timeZones, join(rootfs, timeZones), { recursive: true, verbatimSymlinks: true });
}

/** Shared libraries and the loader of a program; none for a static one. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await tryRun("ldd", [program]);
  return [...stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map((match) => match[1] as string);
}

/** Debian's libraries are in /usr/lib; /lib and /lib64 are links to it. */
function mergedUsr(path: string): string {
  return /^\/(lib|lib64)\//.test(path) ? `/usr${path}` : path;
}

function install(from: string, rootfs: string, to: string): void {
  const target = join(rootfs, to);
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(from, target); // follows links, keeps the permission bits
}
