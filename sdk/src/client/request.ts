/**
 * One call of the API: five tries, 1 s to 30 s apart by a factor of 1.6. Tried again: no answer, 408, 409, 429 (when its
 * limit is over) and 500 and above, unless the answer says otherwise (x-should-retry). All tries carry one id, so that
 * a trigger whose answer was lost triggers nothing twice.
 */
import { ApiConnectionError, ApiError, BadRequestError, errorOfStatus } from "./apiError.ts";
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

/** One part of a path, encoded. What URLs would take for a step up, or for no part at all, is refused. */
export function segment(value: string): string {
  if (value === "" || value === "." || value === "..") {
    throw new BadRequestError(400, `"${value}" is no id: nothing of that name can exist`);
  }
  return encodeURIComponent(value);
}

/** `fetch` whose failure is an ApiConnectionError that names the address, unless the signal ended it. */
export async function connect(url: string | URL, init: RequestInit): Promise<Response> {
  return reached(url, init.signal, () => fetch(url, init));
}

/** The answer's text; it may break off as the connection may. */
export const textOf = (response: Response, signal?: AbortSignal | null): Promise<string> =>
  reached(response.url, signal, () => response.text());

async function reached<T>(
  url: string | URL,
  signal: AbortSignal | null | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (signal?.aborted) throw cause;
    const inner = (cause as Error).cause;
    const why = inner instanceof Error ? inner.message : String((cause as Error).message ?? cause);
    throw new ApiConnectionError(undefined, `${new URL(url).origin} does not answer: ${why}`, undefined, {
      cause,
    });
  }
}

type Tried<T> = { answer: Answer<T> } | { error: Error; retry: boolean; delayMs?: number };

async function attemptOnce<T>(url: URL, init: RequestInit): Promise<Tried<T>> {
  let response: Response;
  let text: string;
  try {
    response = await connect(url, init);
    text = await textOf(response, init.signal);
  } catch (error) {
    if (!(error instanceof ApiConnectionError)) throw error;
    return { error, retry: true };
  }
  const body = parse(text);
  if (response.ok) return { answer: { body: body as T, headers: response.headers } };
  const error = errorOfStatus(response.status, body, url.origin);
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

/** JSON, or the text when it is none. */
export function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}

export { ApiError };
