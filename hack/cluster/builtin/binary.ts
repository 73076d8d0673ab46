/**
 * The programs of the built-in cluster, compiled from Go modules and kept in the cache under a hash of their
 * sources. `<cache>/bin/kube-<hash>/` holds the multi-call binary, one link to it per program, `pause`, and
 * `tools/` with only kubectl and helm, for PATH.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../lib/exec.ts";
import { withLock } from "../../lib/lock.ts";
import { cacheDir } from "../../lib/paths.ts";
import { type StepOptions, step } from "../../lib/progress.ts";
import { type GoToolchain, goToolchain } from "./goToolchain.ts";
import { hash } from "./hash.ts";

export const versions = { kubernetes: "v1.34.4", etcd: "v3.6.5", coredns: "v1.13.1", helm: "v4.0.5" };
const versitygwVersion = "v1.8.0";

const sources = join(import.meta.dirname, "..", "go");
const sourceFiles = ["go.mod", "go.sum", "main.go", "localVolumes.go", "pause/main.go"];
/** Links to the multi-call binary. */
const programs = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "coredns",
  "local-volumes",
];
const tools = ["kubectl", "helm"];

export interface Binaries {
  /** Path of one of the programs. */
  program(name: string): string;
  /** A folder with kubectl and helm. */
  tools: string;
  pause: string;
}

/** The cluster's programs; compiles them unless they are in the cache or `compile` is false. */
export async function clusterBinaries({ compile = true } = {}): Promise<Binaries> {
  const go = await goToolchain();
  const flags = buildFlags(linkerSettings());
  const texts = sourceFiles.map((file) => readFileSync(join(sources, file), "utf8"));
  const dir = join(cacheDir("bin"), `kube-${hash(go.version, process.arch, ...flags, ...texts)}`);
  if (compile) {
    const note = "the first build takes about 7 minutes on two cores, later ones seconds";
    await cached(
      dir,
      `Compiling Kubernetes ${versions.kubernetes} and its tools`,
      { note },
      async (work, onLine) => {
        await build(go, [...flags, "-o", join(work, "fairlead-kube"), "."], sources, onLine);
        await build(go, [...buildFlags([]), "-o", join(work, "pause"), "./pause"], sources, onLine);
        for (const name of programs) symlinkSync("fairlead-kube", join(work, name));
        mkdirSync(join(work, "tools"));
        for (const name of tools) symlinkSync("../fairlead-kube", join(work, "tools", name));
      },
    );
  }
  return { program: (name) => join(dir, name), tools: join(dir, "tools"), pause: join(dir, "pause") };
}

/** Compiles the object store's server, a static binary, unless it is in the cache; returns its path. */
export function versitygwBinary(): Promise<string> {
  const settings = [`-X main.Version=${versitygwVersion}`];
  return goInstall("versitygw", "github.com/versity/versitygw/cmd/versitygw", versitygwVersion, settings);
}

/** Compiles a program from its module into the cache; returns its path. */
export async function goInstall(
  name: string,
  module: string,
  version: string,
  linkerSettings: string[],
): Promise<string> {
  const go = await goToolchain();
  const flags = buildFlags(linkerSettings);
  const dir = join(cacheDir("bin"), `${name}-${hash(go.version, process.arch, module, version, ...flags)}`);
  const note = "the first build takes a minute or two";
  await cached(dir, `Compiling ${name} ${version}`, { note }, async (work, onLine) => {
    const env = { ...goEnvironment, GOBIN: work };
    await run(go.command, ["install", "-v", ...flags, `${module}@${version}`], { cwd: work, env, onLine });
  });
  return join(dir, name);
}

/** Creates a folder of the cache atomically, in one process at a time. */
async function cached(
  dir: string,
  title: string,
  options: StepOptions,
  make: (work: string, onLine: (line: string) => void) => Promise<void>,
): Promise<void> {
  if (existsSync(dir)) return;
  await withLock(`build ${dir}`, async () => {
    if (existsSync(dir)) return;
    const work = `${dir}.new`;
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    await step(
      title,
      (current) =>
        make(work, (line) => {
          // With -v the compiler prints each package that it has compiled.
          if (/^[\w./-]+$/.test(line) || line.startsWith("go: downloading"))
            current.update(line.slice(0, 60));
        }),
      options,
    );
    renameSync(work, dir);
  });
}

const goEnvironment = { CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false", GOWORK: "off" };

async function build(
  go: GoToolchain,
  args: string[],
  cwd: string,
  onLine: (line: string) => void,
): Promise<void> {
  await run(go.command, ["build", "-v", ...args], { cwd, env: goEnvironment, onLine });
}

function buildFlags(settings: string[]): string[] {
  return ["-trimpath", "-ldflags", ["-s", "-w", ...settings].join(" ")];
}

/** Sets the versions; without them every program reports 0.0.0. */
function linkerSettings(): string[] {
  const [major, minor] = versions.kubernetes.slice(1).split(".");
  const kubernetes = "k8s.io/component-base/version";
  return [
    `-X ${kubernetes}.gitVersion=${versions.kubernetes}`,
    `-X ${kubernetes}.gitMajor=${major}`,
    `-X ${kubernetes}.gitMinor=${minor}`,
    `-X ${kubernetes}.gitTreeState=clean`,
    `-X helm.sh/helm/v4/internal/version.version=${versions.helm}`,
    // The cluster version that `helm template` and `helm lint` assume without a cluster.
    ...["common.k8sVersion", "v2/lint/rules.k8sVersion"].flatMap((name) => [
      `-X helm.sh/helm/v4/pkg/chart/${name}Major=${major}`,
      `-X helm.sh/helm/v4/pkg/chart/${name}Minor=${minor}`,
    ]),
    `-X helm.sh/helm/v4/internal/version.kubeClientVersionMajor=${major}`,
    `-X helm.sh/helm/v4/internal/version.kubeClientVersionMinor=${minor}`,
  ];
}
