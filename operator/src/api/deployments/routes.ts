/**
 * Deployments: the code of tasks, put into the bucket, and the Tasks that run it. Below /api/fairlead/v1:
 *
 *   POST deployments/uploads    {parts}             → {uploads: {<sha256>: url}}, of those missing
 *   POST deployments            deploymentBody      → {version, changes, manifests}
 *   GET  deployments/<project>                      → {current, versions}
 *   POST deployments/promote    {project, version}  → {version, changes}
 *
 * Needs a secret key: who deploys runs code in the namespace.
 */

import { deploymentAnnotation, projectLabel } from "@fairlead/protocol/labels";
import { Router } from "express";
import { Tasks } from "../../model/kinds.ts";
import { bundleKey, deploymentKey, deploymentsPrefix } from "../../storage/layout.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { manageOnly } from "../auth/rights.ts";
import { callerIn } from "../http/caller.ts";
import { bodyOf, check, param } from "../http/input.ts";
import { notFound, Problem } from "../http/problem.ts";
import type { Links } from "../packets.ts";
import { type Deployment, deploymentBody, projectName, promotionBody, uploadBody } from "./body.ts";
import { type DeployDeps, deploy } from "./deploy.ts";
import { manifestsOf, problemsOf, versionOfDeployment } from "./manifests.ts";

interface DeploymentDeps extends DeployDeps {
  store: Stores<"head" | "get" | "put" | "list">;
  links: Pick<Links, "url">;
}

const bodyBytes = 1024 * 1024;
const recordBytes = 2 * 1024 * 1024;
const versionLimit = 100;

export function deploymentsRouter(deps: DeploymentDeps): Router {
  const router = Router();
  const { client, links } = deps;

  router.post("/api/fairlead/v1/deployments/uploads", manageOnly, async (request, response) => {
    const { namespace } = callerIn(response);
    const store = deps.store.of(namespace);
    const { parts } = await bodyOf(uploadBody, request);
    const uploads: Record<string, string> = {};
    for (const part of new Set(parts)) {
      const key = bundleKey(namespace, part);
      if (!(await store.head(key))) uploads[part] = await links.url(request, "PUT", { namespace, key });
    }
    response.json({ uploads });
  });

  router.post("/api/fairlead/v1/deployments", manageOnly, async (request, response) => {
    const { namespace } = callerIn(response);
    const store = deps.store.of(namespace);
    const { dryRun, promote, ...deployment } = await bodyOf(deploymentBody, request, { maxBytes: bodyBytes });
    const problems = problemsOf(deployment);
    if (problems.length > 0) throw new Problem(422, problems.join("; "));
    const { code, dependencies = [] } = deployment.bundle;
    for (const part of [...code, ...dependencies]) {
      if (!(await store.head(bundleKey(namespace, part))))
        throw new Problem(422, `bundle: part ${part} was not uploaded: upload it first`);
    }
    const version = versionOfDeployment(deployment);
    const manifests = manifestsOf(namespace, deployment);
    if (!dryRun) {
      const record = Buffer.from(JSON.stringify(deployment));
      await store.put(deploymentKey(namespace, deployment.project, version), record, {
        type: "application/json",
      });
    }
    const changes =
      promote || dryRun ? await deploy({ client }, namespace, deployment, dryRun || !promote) : [];
    response.json({
      version,
      changes,
      manifests: dryRun ? [...manifests.queues, ...manifests.tasks] : undefined,
    });
  });

  router.get("/api/fairlead/v1/deployments/:project", manageOnly, async (request, response) => {
    const { namespace } = callerIn(response);
    const store = deps.store.of(namespace);
    const project = check(projectName, param(request, "project"), "project");
    const prefix = deploymentsPrefix(namespace, project);
    const { objects } = await store.list(prefix, { limit: 1_000 });
    const versions = objects
      .sort((a, b) => b.modifiedMs - a.modifiedMs)
      .slice(0, versionLimit)
      .map(({ key, modifiedMs }) => ({
        version: key.slice(prefix.length).replace(/\.json$/, ""),
        deployedAt: new Date(modifiedMs).toISOString(),
      }));
    response.json({ current: await currentOf(client, namespace, project), versions });
  });

  router.post("/api/fairlead/v1/deployments/promote", manageOnly, async (request, response) => {
    const { namespace } = callerIn(response);
    const store = deps.store.of(namespace);
    const { project, version } = await bodyOf(promotionBody, request);
    const record = await store.get(deploymentKey(namespace, project, version), { maxBytes: recordBytes });
    if (!record) throw notFound(`version ${version} of project ${project}`);
    const deployment = check(
      deploymentBody,
      JSON.parse(Buffer.from(record.body).toString("utf8")),
      "version",
    ) as Deployment;
    response.json({ version, changes: await deploy({ client }, namespace, deployment, false) });
  });

  return router;
}

/** The version that the project's Tasks are of. */
async function currentOf(
  client: DeployDeps["client"],
  namespace: string,
  project: string,
): Promise<string | undefined> {
  for await (const { metadata } of client.listAll(Tasks, namespace, {
    labelSelector: `${projectLabel}=${project}`,
  }))
    return metadata.annotations?.[deploymentAnnotation];
  return undefined;
}
