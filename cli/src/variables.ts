/** The variables of the namespace that a key opens. */
import { type Api, call, path } from "./api.ts";

export interface Variable {
  name: string;
  value: string;
  isSecret: boolean;
}

export async function namespaceOfKey(api: Api): Promise<string> {
  return (await call<{ sub: string }>(api, { method: "POST", path: "/api/v1/auth/jwt/claims", body: {} }))
    .sub;
}

/** Path of the variables; more follows it. */
export const variablesPath = (namespace: string): string =>
  path`/api/v1/projects/default/envvars/${namespace}`;

/** Values of those that are not secret. */
export async function listVariables(api: Api, namespace: string): Promise<Record<string, string>> {
  const variables = await call<Variable[]>(api, { path: variablesPath(namespace) });
  return Object.fromEntries(
    variables.filter(({ isSecret }) => !isSecret).map(({ name, value }) => [name, value]),
  );
}
