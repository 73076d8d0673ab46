/**
 * Sends a request until it is answered. It tries again when there is no answer, when an answer breaks off,
 * and after 408, 409, 429 (once the limit is over) and 500 and above, unless the answer says otherwise
 * (x-should-retry).
 */
import type { RequestOptions } from "../types.ts";
import { ApiConnectionError, ApiError } from "./apiError.ts";
import { pause } from "./pause.ts";

/** How long to wait between tries. */
export interface Backoff {
  firstMs: number;
  longestMs: number;
  factor: number;
  /** Each wait is multiplied by a random number from 1 to 2. */
  jitter: boolean;
}

/** An answer, read to its end. */
export interface Reply {
  status: number;
  headers: Headers;
  text: string;
}

const defaultAttempts = 5;
const storeBackoff: Backoff = { firstMs: 500, longestMs: 5_000, factor: 2, jitter: true };

/** The first 2xx answer; throws `errorOf` the last one that is not. */
export async function send(
  url: string | URL,
  init: RequestInit,
  backoff: Backoff,
  errorOf: (reply: Reply) => Error,
  { signal, maxAttempts = defaultAttempts }: RequestOptions,
): Promise<Reply> {
  for (let attempt = 1; ; attempt++) {
    const tried = await attemptOnce(url, { ...init, signal }, errorOf);
    if ("reply" in tried) return tried.reply;
    if (attempt >= maxAttempts || !tried.retry) throw tried.error;
    const limitedMs = tried.limitedMs && Math.min(tried.limitedMs, backoff.longestMs);
    await pause(limitedMs ?? delayMs(backoff, attempt), signal);
  }
}

/** The same for a presigned URL of the object store; `failed` is what the error says of it. */
export const sendToStore = (
  url: string,
  init: RequestInit,
  failed: string,
  options: RequestOptions,
): Promise<Reply> =>
  send(url, init, storeBackoff, ({ status }) => new ApiError(status, `${failed}: status ${status}`), options);

/** `fetch` whose failure is an ApiConnectionError that names the address, unless the signal ended it. */
export async function connect(url: string | URL, init: RequestInit): Promise<Response> {
  return orConnectionError(url, init.signal, () => fetch(url, init));
}

/** The answer's text; reading it fails when the connection breaks. */
export const textOf = (response: Response, signal?: AbortSignal | null): Promise<string> =>
  orConnectionError(response.url, signal, () => response.text());

async function orConnectionError<T>(
  url: string | URL,
  signal: AbortSignal | null | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (signal?.aborted) throw cause;
    const inner = (cause as Error).cause;
    const reason = inner instanceof Error ? inner.message : String((cause as Error).message ?? cause);
    throw new ApiConnectionError(undefined, `${new URL(url).origin} does not answer: ${reason}`, undefined, {
      cause,
    });
  }
}

type Tried = { reply: Reply } | { error: Error; retry: boolean; limitedMs?: number };

async function attemptOnce(
  url: string | URL,
  init: RequestInit,
  errorOf: (reply: Reply) => Error,
): Promise<Tried> {
  let response: Response;
  let text: string;
  try {
    response = await connect(url, init);
    text = await textOf(response, init.signal);
  } catch (error) {
    if (!(error instanceof ApiConnectionError)) throw error;
    return { error, retry: true };
  }
  const { status, headers } = response;
  const reply = { status, headers, text };
  if (response.ok) return { reply };
  return { error: errorOf(reply), retry: shouldRetry(response), limitedMs: limitedMs(response) };
}

function delayMs({ firstMs, longestMs, factor, jitter }: Backoff, attempt: number): number {
  const stretch = jitter ? 1 + Math.random() : 1;
  return Math.min(firstMs * factor ** (attempt - 1) * stretch, longestMs);
}

function shouldRetry({ status, headers }: Response): boolean {
  const wanted = headers.get("x-should-retry");
  if (wanted !== null) return wanted === "true";
  return [408, 409, 429].includes(status) || status >= 500;
}

/** How long until the limit is over; the API gives its end in milliseconds since the epoch. */
function limitedMs({ status, headers }: Response): number | undefined {
  const reset = Number(headers.get("x-ratelimit-reset"));
  if (status !== 429 || !Number.isFinite(reset) || reset <= Date.now()) return undefined;
  return reset - Date.now() + Math.random() * 1000;
}
