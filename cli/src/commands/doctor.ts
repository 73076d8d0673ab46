/**
 * `fairlead doctor`: what is wrong between this folder and a running task, in sentences, each with what to
 * do. Checks go from the outside in; one that cannot be made without an earlier one is left out. Exit code 1
 * when something is wrong.
 */
import type { Command } from "commander";
import { type Api, call, statusOfError } from "../api.ts";
import { type GlobalOptions, local } from "../command.ts";
import { findSettings } from "../connection.ts";
import { CommandError } from "../errors.ts";
import { contextArgs, findRelease, namespaceOf, openKubeAccess } from "../kubeAccess.ts";
import { kubectl } from "../kubectl.ts";
import { printResult } from "../output.ts";
import { paint, print } from "../terminal.ts";

interface Finding {
  ok: boolean;
  /** What was looked at, and what there is. */
  text: string;
}

interface DeploymentList {
  items: { metadata: { name: string }; spec: { replicas?: number }; status: { readyReplicas?: number } }[];
}

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .description("what is wrong with this cluster, address, key or version, and what to do")
    .action(
      local(async ({ options, format }) => {
        const findings: Finding[] = [];
        for await (const finding of examine(options)) {
          findings.push(finding);
          printResult(finding, format, () =>
            print(`${finding.ok ? paint("green", "✓") : paint("red", "✗")} ${finding.text}`),
          );
        }
        const wrong = findings.filter(({ ok }) => !ok).length;
        if (wrong > 0)
          throw new CommandError(wrong === 1 ? "one thing is wrong" : `${wrong} things are wrong`);
      }),
    );
}

async function* examine(options: GlobalOptions): AsyncGenerator<Finding, void, undefined> {
  const [major = 0] = process.versions.node.split(".").map(Number);
  yield {
    ok: major >= 22,
    text: major >= 22 ? `Node ${process.version}` : `Node ${process.version}: 22.12 or later is needed`,
  };
  yield* examineCluster(options);
  const settings = await attempt(async () =>
    options.context || options.namespace ? undefined : findSettings(options, process.cwd(), process.env),
  );
  if (settings instanceof Error) return yield { ok: false, text: settings.message };
  if (settings) return yield* examineApi(settings);
  const access = await attempt(() => openKubeAccess(options));
  if (access instanceof Error) return yield { ok: false, text: `No way to the API: ${access.message}` };
  try {
    yield* examineApi(access);
  } finally {
    await access[Symbol.asyncDispose]();
  }
}

async function* examineCluster(options: GlobalOptions): AsyncGenerator<Finding, void, undefined> {
  const release = await attempt(() => findRelease(options));
  if (release instanceof Error) return yield { ok: true, text: `No look at the cluster: ${release.message}` };
  yield { ok: true, text: `Release ${release.namespace}/${release.service}` };
  const selector = "app.kubernetes.io/name=fairlead";
  const where = [
    ...contextArgs(options),
    "--namespace",
    release.namespace,
    "--selector",
    selector,
    "-o",
    "json",
  ];
  const deployments = await attempt(
    async () => JSON.parse(await kubectl(["get", "deployments", ...where])) as DeploymentList,
  );
  if (!(deployments instanceof Error)) {
    for (const { metadata, spec, status } of deployments.items) {
      const [ready, wanted] = [status.readyReplicas ?? 0, spec.replicas ?? 1];
      const text = `${metadata.name}: ${ready} of ${wanted} replicas are ready`;
      const advice = `; see kubectl describe pods --namespace ${release.namespace}`;
      yield { ok: ready >= Math.min(1, wanted), text: ready < wanted ? text + advice : text };
    }
  }
  const namespace = await attempt(() => namespaceOf(options));
  if (namespace instanceof Error) return;
  const tasks = await attempt(() =>
    kubectl(["get", "tasks.fairlead.dev", ...contextArgs(options), "--namespace", namespace, "-o", "name"]),
  );
  if (tasks instanceof Error)
    yield { ok: false, text: `Tasks of namespace ${namespace} cannot be listed: ${tasks.message}` };
  else
    yield {
      ok: true,
      text: `Namespace ${namespace}: ${tasks.split("\n").filter((line) => line !== "").length} Tasks`,
    };
}

async function* examineApi(api: Api): AsyncGenerator<Finding, void, undefined> {
  const claims = await attempt(() =>
    call<{ sub: string }>(api, { method: "POST", path: "/api/v1/auth/jwt/claims", body: {} }),
  );
  if (claims instanceof Error) return yield { ok: false, text: claims.message };
  yield {
    ok: true,
    text: `API ${api.baseURL} knows the key (from ${api.source}); it opens namespace ${claims.sub}`,
  };
  const list = await attempt(() =>
    call<{ data: { status: string }[] }>(api, { path: "/api/v1/runs", query: { "page[size]": 1 } }),
  );
  if (!(list instanceof Error)) return yield { ok: true, text: "Runs can be listed" };
  const isServer = (statusOfError(list) ?? 0) >= 500;
  yield {
    ok: false,
    text: `Runs cannot be listed: ${list.message}${isServer ? "; is the bucket there? see the API's log" : ""}`,
  };
}

const attempt = async <T>(work: () => Promise<T>): Promise<T | Error> =>
  work().catch((error: Error) => error);
