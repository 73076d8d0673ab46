/**
 * One call of the API: five tries, 1 s to 30 s apart by a factor of 1.6. All tries carry the same id, so that
 * a trigger whose answer was lost does not trigger twice.
 */
import { apiVersionHeader, currentApiVersion } from "@fairlead/protocol/status";
import { anything, type Check, checkOptions, shown, wholeNumber } from "../checks.ts";
import { InvalidOptionError } from "../errors.ts";
import type { RequestOptions } from "../types.ts";
import { errorOfStatus } from "./apiError.ts";
import { type Backoff, type Reply, send } from "./send.ts";
import { settingsInForce } from "./settings.ts";

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

const callTable = {
  signal: anything,
  maxAttempts: wholeNumber(1),
  method: anything,
  path: anything,
  query: anything,
  body: anything,
  contentType: anything,
  headers: anything,
} satisfies Record<keyof Call, Check>;

const backoff: Backoff = { firstMs: 1_000, longestMs: 30_000, factor: 1.6, jitter: false };

/** Sends the call; throws an ApiError for any answer but 2xx. */
export async function request<T>(call: Call): Promise<Answer<T>> {
  // Options that no call has come here with those of the request.
  checkOptions(call, callTable);
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
    [apiVersionHeader]: currentApiVersion,
    "x-trigger-source": "sdk",
    "x-trigger-request-idempotency-key": crypto.randomUUID(),
  };
  for (const [name, value] of Object.entries(call.headers ?? {}))
    if (value !== undefined) headers[name] = value;
  const errorOf = ({ status, text }: Reply) => errorOfStatus(status, parse(text), url.origin);
  const reply = await send(url, { method: call.method, headers, body }, backoff, errorOf, call);
  return { body: parse(reply.text) as T, headers: reply.headers };
}

/**
 * One part of a path, encoded. A URL would read `..` as a step up and an empty part as none: both are
 * refused.
 */
export function segment(value: string, name = "id"): string {
  if (typeof value !== "string" || value === "" || value === "." || value === "..")
    throw new InvalidOptionError(name, `${shown(value)} is not an id; nothing can have that name`);
  return encodeURIComponent(value);
}

/** The text as JSON, or as it is when it is not JSON. */
export function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}
