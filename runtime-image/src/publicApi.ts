/** Calls of the API that the SDK in a task makes too: with the attempt's token, about its own run. */
import { expectSuccess, type HttpRequest, httpRequest } from "./http.ts";

const answerBytes = 4 * 1024 * 1024;

interface Access {
  readonly baseURL: string;
  readonly accessToken: string;
}

/** One try; throws Refused when another one would be answered the same. */
async function callApi<T>(
  access: Access,
  method: HttpRequest["method"],
  path: string,
  timeoutMs: number,
  body?: object,
): Promise<T> {
  const response = await httpRequest(`${access.baseURL}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${access.accessToken}`,
      ...(body ? { "content-type": "application/json" } : {}),
    },
    body: body && JSON.stringify(body),
    timeoutMs,
    maxBytes: answerBytes,
  });
  const { body: answer } = expectSuccess(`${method} ${path}`, response);
  return JSON.parse(answer.toString() || "{}") as T;
}

/** The run's metadata. */
export function metadataApi(access: Access, runId: string) {
  const path = `/api/v1/runs/${encodeURIComponent(runId)}/metadata`;
  interface Answer {
    metadata?: Record<string, unknown>;
  }
  return {
    put: async (changes: object, timeoutMs: number): Promise<Record<string, unknown>> =>
      (await callApi<Answer>(access, "PUT", path, timeoutMs, changes)).metadata ?? {},
    get: async (timeoutMs: number): Promise<Record<string, unknown>> =>
      (await callApi<Answer>(access, "GET", path, timeoutMs)).metadata ?? {},
  };
}
