/**
 * Environment variables of the caller's namespace (model/envVars.ts): what is changed here counts for attempts that begin
 * afterwards. A project's name is anything; the slug is the namespace or its kind (`prod`, `staging`, `dev`,
 * `preview`), so that nobody changes another environment than he meant.
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
import { Namespaces, Secrets } from "../kube/resources.ts";
import { environmentOf } from "../model/environment.ts";
import {
  type EnvVar,
  envPatch,
  envSecretName,
  envVarProblem,
  envVarsOf,
  envVarsProblem,
  variablesLimit,
} from "../model/envVars.ts";
import { callerIn, secretOnly } from "./auth/auth.ts";
import { bodyOf, param } from "./http/input.ts";
import { notFound, Problem } from "./http/problem.ts";

export interface EnvVarDeps {
  client: Pick<KubeClient, "get" | "patch">;
}

export const envVarBody = z.object({ name: z.string(), value: z.string(), isSecret: z.boolean().optional() });
export const envVarUpdateBody = z.object({ value: z.string() });
export const envVarImportBody = z.object({
  variables: z.record(z.string(), z.string()),
  /** Variables that are there already get the new value. Default false: then they are refused. */
  override: z.boolean().optional(),
  isSecret: z.boolean().optional(),
});

const redacted = "<redacted>";
/** Somebody else changes them in the same moment. */
const tries = 5;
const base = "/api/v1/projects/:ref/envvars/:slug";

export function envVarsRouter(deps: EnvVarDeps): Router {
  const router = Router();

  router.get(base, secretOnly, async (request, response) => {
    const namespace = await environment(deps, request, response);
    response.json((await read(deps, namespace)).map(shown));
  });

  router.post(base, secretOnly, async (request, response) => {
    const { name, value, isSecret = false } = bodyOf(envVarBody, request);
    const namespace = await environment(deps, request, response);
    checkOne(name, value);
    await change(deps, namespace, (before) => added(before, [{ name, value, isSecret }], false));
    response.json({ success: true });
  });

  router.post(`${base}/import`, secretOnly, async (request, response) => {
    const { variables, override = false, isSecret = false } = bodyOf(envVarImportBody, request);
    const namespace = await environment(deps, request, response);
    const more = Object.entries(variables).map(([name, value]) => ({ name, value, isSecret }));
    if (more.length > variablesLimit) throw new Problem(422, `variables: at most ${variablesLimit}`);
    for (const { name, value } of more) checkOne(name, value, "variables");
    await change(deps, namespace, (before) => added(before, more, override));
    response.json({ success: true });
  });

  router.get(`${base}/:name`, secretOnly, async (request, response) => {
    const namespace = await environment(deps, request, response);
    response.json(shown(known(await read(deps, namespace), param(request, "name"))));
  });

  router.put(`${base}/:name`, secretOnly, async (request, response) => {
    const { value } = bodyOf(envVarUpdateBody, request);
    const namespace = await environment(deps, request, response);
    const name = param(request, "name");
    checkOne(name, value);
    await change(deps, namespace, (before) => {
      const { isSecret } = known(before, name);
      return added(before, [{ name, value, isSecret }], true);
    });
    response.json({ success: true });
  });

  router.delete(`${base}/:name`, secretOnly, async (request, response) => {
    const namespace = await environment(deps, request, response);
    const name = param(request, "name");
    await change(deps, namespace, (before) => {
      known(before, name);
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
  const { metadata = {} } = (await client.get(Namespaces, undefined, namespace)) ?? {};
  const { type } = environmentOf(metadata);
  if (slug === type || (slug === "stg" && type === "staging")) return namespace;
  throw new Problem(
    422,
    `environment: "${slug.slice(0, 80)}" is not this key's: it opens the namespace ${namespace}, which is "${type}"`,
  );
}

async function read({ client }: EnvVarDeps, namespace: string): Promise<EnvVar[]> {
  return envVarsOf(await client.get(Secrets, namespace, envSecretName));
}

function known(variables: readonly EnvVar[], name: string): EnvVar {
  const found = variables.find((one) => one.name === name);
  if (!found) throw notFound(`variable ${name.slice(0, 256)}`);
  return found;
}

function checkOne(name: string, value: string, field = "name"): void {
  const problem = envVarProblem(name, value);
  if (problem) throw new Problem(422, `${field}: ${problem}`);
}

function added(before: readonly EnvVar[], more: readonly EnvVar[], override: boolean): EnvVar[] {
  const names = new Set(more.map(({ name }) => name));
  const twice = before.filter(({ name }) => names.has(name)).map(({ name }) => name);
  if (twice.length > 0 && !override) {
    const listed = twice.slice(0, 10).join(", ");
    throw new Problem(422, `variables: there already: ${listed}. Update them, or import with override: true`);
  }
  return [...before.filter(({ name }) => !names.has(name)), ...more];
}

/** Reads, changes and writes as one: `work` is asked again when somebody else was faster. */
async function change(
  deps: EnvVarDeps,
  namespace: string,
  work: (before: readonly EnvVar[]) => EnvVar[],
): Promise<void> {
  const { client } = deps;
  for (let attempt = 1; ; attempt++) {
    // Made first where it is not there: what somebody else has put into it meanwhile counts.
    const current =
      (await client.get(Secrets, namespace, envSecretName)) ?? (await made(deps, namespace, work));
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
      if (attempt === tries)
        throw new Problem(409, "variables: others change them in this moment, try again");
    }
  }
}

/** Applied, not created: so the right to make it can be limited to its name. Not for a change that is refused anyway. */
async function made(
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

const shown = ({ name, value, isSecret }: EnvVar): EnvVar => ({
  ...{ name, value: isSecret ? redacted : value, isSecret },
});
