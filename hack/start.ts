/**
 * `npm start`: a cluster, the images, the chart, one run of examples/hello-world from `kubectl apply` to its
 * output, and what to try next. Every step reuses what exists; it can be interrupted and repeated at any
 * time. Writes .fairlead/env for a shell to source.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chooseProvider } from "./cluster/choose.ts";
import { type ClusterAccess, ClusterError } from "./cluster/provider.ts";
import { provideImages } from "./images/provideImages.ts";
import { ExecError, run } from "./lib/exec.ts";
import { repoRoot } from "./lib/paths.ts";
import { say, seconds, step } from "./lib/progress.ts";
import { WaitError } from "./lib/wait.ts";
import { apiAddress, ensureApiKey } from "./start/apiKey.ts";
import { installRelease, releaseName, releaseNamespace } from "./start/release.ts";
import { followRun, readOutput } from "./start/run.ts";

const started = performance.now();
const example = join(repoRoot, "examples", "hello-world");
const namespace = "default";
const forwardedUrl = "http://localhost:8030";

async function main(): Promise<void> {
  const cluster = await chooseProvider(say);
  const access = await cluster.up({});
  useCluster(access);
  const images = await provideImages(cluster);
  await installRelease();
  const env = await writeEnv(access);

  await step("Tasks of examples/hello-world", () => applyTasks(images["hello-world"].ref), {
    quietBelowMs: 500,
  });
  // A TaskRun is one run: another run needs another TaskRun.
  await kubectl("delete", "--ignore-not-found", "-f", join(example, "taskrun.yaml"));
  say("\n$ kubectl apply -f examples/hello-world/taskrun.yaml");
  await kubectl("apply", "-f", join(example, "taskrun.yaml"));
  const status = await followRun(access.kubeconfig, namespace, "hello", say);
  if (status.phase !== "Completed") {
    throw new Error(
      `TaskRun hello ended ${status.phase}: ${status.message}\nSee: kubectl describe taskrun hello`,
    );
  }
  const output = await readOutput(access.kubeconfig, status.outputRef);
  say(`\nIts output, from object storage (${status.outputRef?.key}):`);
  console.log(output);
  say(epilogue(env, access.directNetwork));
}

/** Puts kubectl and helm of the cluster's version first on PATH, for this process and its children. */
function useCluster({ kubeconfig, path }: ClusterAccess): void {
  process.env.KUBECONFIG = kubeconfig;
  process.env.PATH = [...path, process.env.PATH ?? ""].join(delimiter);
}

const kubectl = (...args: string[]) => run("kubectl", ["--namespace", namespace, ...args]);

/** Applies task.yaml with the name of the image that was built now. */
async function applyTasks(image: string): Promise<void> {
  const text = readFileSync(join(example, "task.yaml"), "utf8");
  const placeholder = "fairlead.local/hello-world:dev";
  if (!text.includes(placeholder)) throw new Error(`task.yaml does not mention ${placeholder}`);
  await run("kubectl", ["--namespace", namespace, "apply", "-f", "-"], {
    input: text.replaceAll(placeholder, image),
  });
}

async function writeEnv({ kubeconfig, path, directNetwork }: ClusterAccess): Promise<string> {
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`export KUBECONFIG=${quote(kubeconfig)}`];
  if (path.length > 0) lines.push(`export PATH=${path.map(quote).join(":")}:"$PATH"`);
  // Other clusters need the port-forward that the epilogue names.
  const url = directNetwork ? await apiAddress() : forwardedUrl;
  lines.push(`export TRIGGER_API_URL=${quote(url)}`);
  lines.push(`export TRIGGER_SECRET_KEY=${quote(await ensureApiKey(namespace))}`);
  mkdirSync(join(repoRoot, ".fairlead"), { recursive: true });
  writeFileSync(join(repoRoot, ".fairlead", "env"), `${lines.join("\n")}\n`);
  return ".fairlead/env";
}

function epilogue(env: string, direct: boolean): string {
  const forward = `kubectl port-forward --namespace ${releaseNamespace} service/${releaseName}-api 8030:80 &\n  `;
  return `
Done in ${seconds(performance.now() - started)}. What to try next:

  source ${env}                                 # kubectl, helm, KUBECONFIG, TRIGGER_… for this shell
  kubectl get taskruns                                  # every run with its phase
  kubectl describe taskrun hello                        # its status, and what happened to it, as Events
  kubectl logs --tail=-1 -l fairlead.dev/run=hello      # what it printed
  kubectl explain taskrun.spec                          # what a run may ask for
  ${direct ? "" : forward}curl "$TRIGGER_API_URL/api/v1/tasks/hello-world/trigger" -d '{"payload": {"name": "Grace"}}' \\
    -H "authorization: Bearer $TRIGGER_SECRET_KEY" -H "content-type: application/json"
  helm test fairlead --namespace ${releaseNamespace}              # the installation's own check
  npm test                                              # all tests, on this cluster

Your own first task: README.md. The cluster stays; \`npm run cluster -- down\` removes it with everything in it.`;
}

main().catch((error: unknown) => {
  const known = error instanceof ClusterError || error instanceof WaitError || error instanceof ExecError;
  if (known) console.error(error.message);
  else console.error(error instanceof Error && !(error instanceof TypeError) ? error.message : error);
  process.exitCode = 1;
});
