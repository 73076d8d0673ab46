/**
 * Environment variables of the caller's namespace (model/envVars.ts): what is changed here counts for
 * attempts that begin afterwards. A project's name is anything; the slug is the namespace or its kind
 * (`prod`, `staging`, `dev`, `preview`), so that a change cannot hit another environment than the one that
 * was meant.
 *
 *   GET, POST   /api/v1/projects/<ref>/envvars/<slug>           list; {name, value, isSecret?}
 *   POST        /api/v1/projects/<ref>/envvars/<slug>/import    {variables, override?, isSecret?}
 *   GET, PUT, DELETE   …/<slug>/<name>                          {value}
 */
import { managedByLabel, managerName } from "@fairlead/protocol/labels";
import type { V1Secret } from "@kubernetes/client-node";
import { type Request, type Response, Router } from "express";
import { z } from "zod";
import { type KubeClient, KubeError } from "../kube/client/client.ts";
import { Secrets } from "../kube/resources.ts";
import {
  type EnvVar,
  envPatch,
  envSecretName,
  envVarProblem,
  envVarsOf,
  envVarsProblem,
  variablesLimit,
} from "../model/envVars.ts";
import { manageOnly } from "./auth/rights.ts";
import { loadEnvironment } from "./environment.ts";
import { callerIn } from "./http/caller.ts";
import { bodyOf, param } from "./http/input.ts";
import { notFound, Problem } from "./http/problem.ts";
import { note } from "./http/requestLog.ts";

interface EnvVarDeps {
  client: Pick<KubeClient, "get" | "patch">;
}

export const envVarBody = z.strictObject({
  name: z.string(),
  value: z.string(),
  isSecret: z.boolean().optional(),
});
export const envVarUpdateBody = z.strictObject({ value: z.string() });
export const envVarImportBody = z.strictObject({
  variables: z.record(z.string(), z.string()),
  /** Variables that are there already get the new value. Default false: then they are refused. */
  override: z.boolean().optional(),
  isSecret: z.boolean().optional(),
  /** Who sent it, as the official CLI says; nothing here acts on it. */
  source: z.unknown().optional(),
});

const redacted = "<redacted>";
/** Writes that are tried while others change the same Secret. */
const attemptLimit = 5;
const base = "/api/v1/projects/:ref/envvars/:slug";

export function envVarsRouter(deps: EnvVarDeps): Router {
  const router = Router();

  router.get(base, manageOnly, async (request, response) => {
    const namespace = await environment(deps, request, response);
    response.json((await read(deps, namespace)).map(redact));
  });

  router.post(base, manageOnly, async (request, response) => {
    const { name, value, isSecret = false } = await bodyOf(envVarBody, request);
    const namespace = await environment(deps, request, response);
    checkOne(name, value);
    note(response, { variables: [name] });
    await change(deps, namespace, (before) => withVariables(before, [{ name, value, isSecret }], false));
    response.json({ success: true });
  });

  router.post(`${base}/import`, manageOnly, async (request, response) => {
    const {
      variables,
      override = false,
      isSecret = false,
    } = await bodyOf(envVarImportBody, request, { maxBytes: 1024 * 1024 });
    const namespace = await environment(deps, request, response);
    const more = Object.entries(variables).map(([name, value]) => ({ name, value, isSecret }));
    if (more.length > variablesLimit)
      throw new Problem(422, `variables: ${more.length} of them, at most ${variablesLimit} are allowed`);
    for (const { name, value } of more) checkOne(name, value, "variables");
    note(response, { variables: more.map(({ name }) => name) });
    await change(deps, namespace, (before) => withVariables(before, more, override));
    response.json({ success: true });
  });

  router.get(`${base}/:name`, manageOnly, async (request, response) => {
    const namespace = await environment(deps, request, response);
    response.json(redact(findOrThrow(await read(deps, namespace), param(request, "name"))));
  });

  router.put(`${base}/:name`, manageOnly, async (request, response) => {
    const { value } = await bodyOf(envVarUpdateBody, request);
    const namespace = await environment(deps, request, response);
    const name = param(request, "name");
    checkOne(name, value);
    await change(deps, namespace, (before) => {
      const { isSecret } = findOrThrow(before, name);
      return withVariables(before, [{ name, value, isSecret }], true);
    });
    response.json({ success: true });
  });

  router.delete(`${base}/:name`, manageOnly, async (request, response) => {
    const namespace = await environment(deps, request, response);
    const name = param(request, "name");
    await change(deps, namespace, (before) => {
      findOrThrow(before, name);
      return before.filter((one) => one.name !== name);
    });
    response.json({ success: true });
  });

  return router;
}

/** The caller's namespace, if the path means it. */
async function environment({ client }: EnvVarDeps, request: Request, response: Response): Promise<string> {
  const { namespace } = callerIn(response);
  const slug = param(request, "slug");
  if (slug === namespace) return namespace;
  const { type } = await loadEnvironment(client, namespace);
  if (slug === type || (slug === "stg" && type === "staging")) return namespace;
  throw new Problem(
    422,
    `environment: "${slug.slice(0, 80)}" is not this key's: its namespace is ${namespace}, which is "${type}"`,
  );
}

async function read({ client }: EnvVarDeps, namespace: string): Promise<EnvVar[]> {
  return envVarsOf(await client.get(Secrets, namespace, envSecretName));
}

function findOrThrow(variables: readonly EnvVar[], name: string): EnvVar {
  const found = variables.find((one) => one.name === name);
  if (!found) throw notFound(`variable ${name.slice(0, 256)}`);
  return found;
}

function checkOne(name: string, value: string, field = "name"): void {
  const problem = envVarProblem(name, value);
  if (problem) throw new Problem(422, `${field}: ${problem}`);
}

function withVariables(before: readonly EnvVar[], more: readonly EnvVar[], override: boolean): EnvVar[] {
  const names = new Set(more.map(({ name }) => name));
  const twice = before.filter(({ name }) => names.has(name)).map(({ name }) => name);
  if (twice.length > 0 && !override) {
    const listed = twice.slice(0, 10).join(", ");
    throw new Problem(422, `variables: there already: ${listed}. Update them, or import with override: true`);
  }
  return [...before.filter(({ name }) => !names.has(name)), ...more];
}

/** Reads, changes and writes as one: `work` is called again when another writer was faster. */
async function change(
  deps: EnvVarDeps,
  namespace: string,
  work: (before: readonly EnvVar[]) => EnvVar[],
): Promise<void> {
  const { client } = deps;
  for (let attempt = 1; ; attempt++) {
    // Created first where it does not exist: then what another writer has put into it meanwhile counts.
    const current =
      (await client.get(Secrets, namespace, envSecretName)) ?? (await createSecret(deps, namespace, work));
    const variables = work(envVarsOf(current));
    const problem = envVarsProblem(variables);
    if (problem) throw new Problem(422, `variables: ${problem}`);
    const { metadata, data } = envPatch(current, variables);
    const { resourceVersion } = current.metadata ?? {};
    const patch = { metadata: { ...metadata, resourceVersion }, data };
    try {
      await client.patch(Secrets, namespace, envSecretName, patch, { type: "merge" });
      return;
    } catch (error) {
      if (!KubeError.is(error, "Conflict")) throw error;
      if (attempt === attemptLimit) throw new Problem(409, "variables: changed concurrently: retry");
    }
  }
}

/**
 * Applied, not created, so that the right to do it can be limited to its name. A change that is refused
 * creates nothing.
 */
async function createSecret(
  { client }: EnvVarDeps,
  namespace: string,
  work: (before: readonly EnvVar[]) => EnvVar[],
): Promise<V1Secret> {
  work([]);
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: envSecretName, namespace, labels: { [managedByLabel]: managerName } },
  };
  return client.patch(Secrets, namespace, envSecretName, secret, { type: "apply", force: true });
}

const redact = ({ name, value, isSecret }: EnvVar): EnvVar => ({
  name,
  value: isSecret ? redacted : value,
  isSecret,
});
