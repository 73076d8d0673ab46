/**
 * One call of the API: five tries, 1 s to 30 s apart by a factor of 1.6. Tried again: no answer, 408, 409, 429 (when its
 * limit is over) and 500 and above, unless the answer says otherwise (x-should-retry). All tries carry one id, so that
 * a trigger whose answer was lost triggers nothing twice.
 */
import { ApiConnectionError, ApiError, errorOfStatus } from "./apiError.ts";
import { pause } from "./pause.ts";
import { settingsInForce } from "./settings.ts";

/** What any call may be given. */
export interface RequestOptions {
  /** Ends the call, its waiting between tries included. */
  signal?: AbortSignal;
  /** Tries in all. Default 5. */
  maxAttempts?: number;
}

export interface Call extends RequestOptions {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** From the base URL on, encoded. */
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  /** Sent as JSON; a string as it is. */
  body?: unknown;
  contentType?: string;
  headers?: Record<string, string | undefined>;
}

export interface Answer<T> {
  body: T;
  headers: Headers;
}

const apiVersion = "2025-07-16";
const [defaultAttempts, firstDelayMs, longestDelayMs, factor] = [5, 1_000, 30_000, 1.6];

/** Sends the call; throws an ApiError for any answer but 2xx. */
export async function request<T>(call: Call): Promise<Answer<T>> {
  const { baseURL, token } = settingsInForce();
  const url = new URL(baseURL + call.path);
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const body =
    call.body === undefined || typeof call.body === "string" ? call.body : JSON.stringify(call.body);
  const headers: Record<string, string> = {
    authorization: `Bearer ${token}`,
    "content-type": call.contentType ?? "application/json",
    "x-trigger-api-version": apiVersion,
    "x-trigger-source": "sdk",
    "x-trigger-request-idempotency-key": crypto.randomUUID(),
  };
  for (const [name, value] of Object.entries(call.headers ?? {}))
    if (value !== undefined) headers[name] = value;
  const attempts = call.maxAttempts ?? defaultAttempts;
  for (let attempt = 1; ; attempt++) {
    const tried = await attemptOnce<T>(url, { method: call.method, headers, body, signal: call.signal });
    if ("answer" in tried) return tried.answer;
    if (attempt >= attempts || !tried.retry) throw tried.error;
    const delay = tried.delayMs ?? Math.min(firstDelayMs * factor ** (attempt - 1), longestDelayMs);
    await pause(delay, call.signal);
  }
}

type Tried<T> = { answer: Answer<T> } | { error: Error; retry: boolean; delayMs?: number };

async function attemptOnce<T>(url: URL, init: RequestInit): Promise<Tried<T>> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    const why =
      (cause as Error).cause instanceof Error ? ((cause as Error).cause as Error).message : String(cause);
    const error = new ApiConnectionError(undefined, `${url.origin} does not answer: ${why}`, undefined, {
      cause,
    });
    return { error, retry: true };
  }
  const text = await response.text();
  const body = parse(text);
  if (response.ok) return { answer: { body: body as T, headers: response.headers } };
  const error = errorOfStatus(response.status, body);
  return { error, retry: shouldRetry(response), delayMs: limitedMs(response) };
}

function shouldRetry({ status, headers }: Response): boolean {
  const said = headers.get("x-should-retry");
  if (said !== null) return said === "true";
  return [408, 409, 429].includes(status) || status >= 500;
}

/** Until the limit is over, which the API tells in milliseconds since the epoch. */
function limitedMs({ status, headers }: Response): number | undefined {
  const reset = Number(headers.get("x-ratelimit-reset"));
  if (status !== 429 || !Number.isFinite(reset) || reset <= Date.now()) return undefined;
  return Math.min(reset - Date.now() + Math.random() * 1000, longestDelayMs);
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}

export { ApiError };
