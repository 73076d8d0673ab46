/**
 * Environment variables of the key's namespace; its runs get them from their next attempt on. The project may
 * be any name; the environment is the namespace, or its kind (`prod`, `staging`, `dev`, `preview`).
 */
import type { RequestOptions } from "../types.ts";
import { request, segment } from "./request.ts";

export interface EnvVar {
  name: string;
  /** `<redacted>` of a secret one. */
  value: string;
  /** Its value is never shown again. */
  isSecret: boolean;
}

export const envvars = {
  /** All of them, by name. */
  list: (project: string, environment: string, options?: RequestOptions): Promise<EnvVar[]> =>
    call("GET", path(project, environment), options),

  /** Adds one that is not there. */
  create: (
    project: string,
    environment: string,
    body: { name: string; value: string; isSecret?: boolean },
    options?: RequestOptions,
  ): Promise<{ success: boolean }> => call("POST", path(project, environment), options, body),

  /** Adds several; with `override` it also changes those that are there. */
  upload: (
    project: string,
    environment: string,
    body: { variables: Record<string, string>; override?: boolean; isSecret?: boolean },
    options?: RequestOptions,
  ): Promise<{ success: boolean }> => call("POST", `${path(project, environment)}/import`, options, body),

  /** One of them. Throws NotFoundError when it is not there. */
  retrieve: (project: string, environment: string, name: string, options?: RequestOptions): Promise<EnvVar> =>
    call("GET", path(project, environment, name), options),

  /** Changes one that is there. */
  update: (
    project: string,
    environment: string,
    name: string,
    body: { value: string },
    options?: RequestOptions,
  ): Promise<{ success: boolean }> => call("PUT", path(project, environment, name), options, body),

  /** Deletes one. */
  del: (
    project: string,
    environment: string,
    name: string,
    options?: RequestOptions,
  ): Promise<{ success: boolean }> => call("DELETE", path(project, environment, name), options),
};

const path = (project: string, environment: string, name?: string): string =>
  `/api/v1/projects/${segment(project)}/envvars/${segment(environment)}${name === undefined ? "" : `/${segment(name)}`}`;

async function call<T>(
  method: "GET" | "POST" | "PUT" | "DELETE",
  to: string,
  options: RequestOptions = {},
  body?: object,
): Promise<T> {
  return (await request<T>({ ...options, method, path: to, body })).body;
}
