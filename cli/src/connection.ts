/**
 * Where the API is, and with which key. The first that has both wins:
 *
 *   1. `--api-url` and TRIGGER_API_URL with TRIGGER_SECRET_KEY (FAIRLEAD_API_URL and FAIRLEAD_SECRET_KEY are
 *      the same), of the environment, then of `--env-file`, `.env` in this folder, and `.fairlead/env` in it
 *      or above
 *   2. `--context` or `--namespace`, or a kubeconfig when nothing else is there: the release's key of that
 *      namespace and a port-forward, both by kubectl (kubeAccess.ts)
 *
 * A key is never taken from the command line: other users of the machine could read it there.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseEnv } from "node:util";
import type { Api } from "./api.ts";
import { CommandError, exitCodes, usageError } from "./errors.ts";
import { type KubeOptions, openKubeAccess } from "./kubeAccess.ts";

export interface ConnectionOptions extends KubeOptions {
  apiUrl?: string;
  envFile?: string;
}

const urlNames = ["FAIRLEAD_API_URL", "TRIGGER_API_URL"] as const;
const keyNames = ["FAIRLEAD_SECRET_KEY", "TRIGGER_SECRET_KEY"] as const;

type Variables = Readonly<Record<string, string | undefined>>;

/** Calls `work` with the API; closes what it opened, however `work` ends. */
export async function withApi<T>(options: ConnectionOptions, work: (api: Api) => Promise<T>): Promise<T> {
  const found =
    options.context || options.namespace ? undefined : findSettings(options, process.cwd(), process.env);
  if (found) return work(found);
  await using access = await openKubeAccess(options);
  // Awaited here: the access is closed when this function returns.
  return await work({ ...access, baseURL: options.apiUrl ?? access.baseURL });
}

/** Address and key from the environment and from files, or undefined when neither is anywhere. */
export function findSettings(options: ConnectionOptions, folder: string, env: Variables): Api | undefined {
  let url = options.apiUrl;
  let key: string | undefined;
  const sources: string[] = url === undefined ? [] : ["--api-url"];
  for (const [source, variables] of variableSources(options, folder, env)) {
    const foundUrl = url === undefined ? firstOf(variables, urlNames) : undefined;
    const foundKey = key === undefined ? firstOf(variables, keyNames) : undefined;
    if (foundUrl !== undefined || foundKey !== undefined) sources.push(source);
    url ??= foundUrl;
    key ??= foundKey;
  }
  if (url === undefined && key === undefined) return undefined;
  if (key === undefined) {
    if (options.apiUrl !== undefined && url === options.apiUrl) return undefined;
    throw new CommandError(
      `TRIGGER_SECRET_KEY: not set, but the address ${url} is; set it in the environment or in .env`,
      exitCodes.connection,
    );
  }
  if (url === undefined) {
    throw new CommandError(
      "TRIGGER_API_URL: not set, but a key is; set it, give --api-url, or take the address from the cluster with --namespace",
      exitCodes.connection,
    );
  }
  return { baseURL: url.replace(/\/+$/, ""), secretKey: key, source: [...new Set(sources)].join(" and ") };
}

function* variableSources(
  options: ConnectionOptions,
  folder: string,
  env: Variables,
): Generator<[string, Variables]> {
  yield ["the environment", env];
  if (options.envFile !== undefined) {
    const path = resolve(folder, options.envFile);
    if (!existsSync(path)) throw usageError(`--env-file: there is no file ${path}`);
    yield [options.envFile, readVariables(path)];
  }
  const dotEnv = join(folder, ".env");
  if (existsSync(dotEnv)) yield [".env", readVariables(dotEnv)];
  for (let at = folder; ; at = dirname(at)) {
    const path = join(at, ".fairlead", "env");
    if (existsSync(path)) yield [path, readVariables(path)];
    if (dirname(at) === at) return;
  }
}

const readVariables = (path: string): Variables => parseEnv(readFileSync(path, "utf8"));

const firstOf = (variables: Variables, names: readonly string[]): string | undefined =>
  names.map((name) => variables[name]).find((value) => value !== undefined && value !== "");
