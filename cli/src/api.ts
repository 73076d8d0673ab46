/**
 * One call of the API. A failure of the connection, 429 and 5xx are tried again, three times in all; every
 * try carries the same id, so that a trigger whose answer was lost does not trigger twice. Values keep the
 * text of their numbers (exactJson.ts).
 */
import { setTimeout as pause } from "node:timers/promises";
import { apiVersionHeader, currentApiVersion } from "@fairlead/protocol/status";
import { CommandError, exitCodes } from "./errors.ts";
import { parseExact } from "./exactJson.ts";

/** Where the API is, and the key. */
export interface Api {
  baseURL: string;
  secretKey: string;
  /** Where they are from, for `whoami` and `doctor`. */
  source: string;
}

export interface Call {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Made with `path`. */
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  /** Sent as JSON. */
  body?: unknown;
  signal?: AbortSignal;
}

const attempts = 3;
const firstPauseMs = 500;
const longestPauseMs = 5_000;

/** A path of the API: each value is one part of it, whatever characters it has. */
export const path = (parts: TemplateStringsArray, ...values: string[]): string =>
  String.raw({ raw: parts }, ...values.map(encodeURIComponent));

/** The answer's body; a CommandError for every status but 2xx. */
export async function call<T>(api: Api, request: Call): Promise<T> {
  const text = await (await send(api, request)).text();
  try {
    return (text === "" ? undefined : parseExact(text)) as T;
  } catch {
    throw new CommandError(
      `${api.baseURL} is no Fairlead API: ${request.path} answered with no JSON`,
      exitCodes.connection,
    );
  }
}

/** The answer, its body unread. */
export async function send(
  api: Api,
  { method = "GET", path, query = {}, body, signal }: Call,
): Promise<Response> {
  const url = new URL(api.baseURL + path);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, String(value));
  const headers = {
    authorization: `Bearer ${api.secretKey}`,
    "content-type": "application/json",
    [apiVersionHeader]: currentApiVersion,
    "x-trigger-source": "cli",
    "x-trigger-request-idempotency-key": crypto.randomUUID(),
  };
  const init = { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) };
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, init).catch((error: unknown) => error as Error);
    if (!(response instanceof Error) && response.ok) return response;
    signal?.throwIfAborted();
    const isTemporary = response instanceof Error || response.status === 429 || response.status >= 500;
    if (!isTemporary || attempt === attempts) throw await failure(api, response);
    if (!(response instanceof Error)) await response.body?.cancel();
    await pause(Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1)), undefined, { signal });
  }
}

async function failure(api: Api, response: Response | Error): Promise<CommandError> {
  if (response instanceof Error) {
    const cause = (response.cause as { code?: string; message?: string } | undefined) ?? {};
    const reason = cause.code ?? cause.message ?? response.message;
    return new CommandError(
      `${api.baseURL} cannot be reached (${reason}); the address is from ${api.source}`,
      exitCodes.connection,
    );
  }
  const { status } = response;
  const reason = reasonOf(await response.text()) ?? `status ${status}`;
  if (status === 401)
    return new CommandError(
      `${api.baseURL} does not know this key, from ${api.source}: ${reason}`,
      exitCodes.connection,
    );
  return new CommandError(reason, exitCodes.failed, { cause: { status } });
}

/** Status of the answer that made this error; undefined for other errors. */
export const statusOfError = (error: unknown): number | undefined =>
  error instanceof CommandError ? (error.cause as { status?: number } | undefined)?.status : undefined;

function reasonOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === "string" ? error : error === undefined ? undefined : JSON.stringify(error);
  } catch {
    return text === "" ? undefined : text.slice(0, 300);
  }
}

/** Items of all pages, at most `limit`. */
export async function listOffset<T>(api: Api, path: string, limit: number): Promise<T[]> {
  const items: T[] = [];
  for (let page = 1; items.length < limit; page++) {
    const query = { page, perPage: Math.min(100, limit) };
    const { data, pagination } = await call<{ data: T[]; pagination: { totalPages: number } }>(api, {
      path,
      query,
    });
    items.push(...data);
    if (page >= pagination.totalPages || data.length === 0) break;
  }
  return items.slice(0, limit);
}
