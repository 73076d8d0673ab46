/**
 * One request and its answer: time limit, retries where they are safe, errors as KubeError.
 * Retried are an answer 429 with Retry-After (nothing was done) and a GET whose connection failed.
 */
import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { parseExact } from "../../lib/exactJson.ts";
import { pause } from "../../lib/time.ts";
import type { Access, Connection } from "./connection.ts";
import { errorFromAnswer, KubeError } from "./kubeError.ts";

export interface Request {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: string;
  contentType?: string;
  /** Default: whatever the API server has, which is JSON. */
  accept?: string;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Instead of the client's. */
  timeoutMs?: number;
}

const maxAttempts = 4;
const maxRetryAfterMs = 10_000;
/** For the first bytes of a stream's answer. */
const streamStartMs = 30_000;

export class Transport {
  readonly #connection: Connection;
  readonly #timeoutMs: number;

  constructor(connection: Connection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  /** The answer's body. */
  async json<R>(request: Request, options: CallOptions = {}): Promise<R> {
    const deadline = new Deadline(options.timeoutMs ?? this.#timeoutMs, options.signal);
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#exchange<R>(request, deadline.signal);
        } catch (error) {
          const failure = failureOf(error, request, options.signal);
          const waitMs = attempt < maxAttempts ? waitBeforeRetry(request, failure, attempt) : undefined;
          if (waitMs === undefined || waitMs >= deadline.remainingMs) throw failure;
          await pause(waitMs, deadline.signal);
          if (deadline.signal.aborted) throw failureOf(failure, request, options.signal);
        }
      }
    } finally {
      deadline.clear();
    }
  }

  /** The answer's body as it comes. The reader handles errors while it is read: see failureOf. */
  async stream(request: Request, signal: AbortSignal | undefined, idleTimeoutMs: number): Promise<Readable> {
    try {
      const { origin, prefix } = this.#connection;
      const { headers, streams } = await this.#connection.access();
      signal?.throwIfAborted();
      const answer = await streams.request({
        origin,
        path: prefix + withQuery(request),
        method: "GET",
        headers,
        headersTimeout: streamStartMs,
        bodyTimeout: idleTimeoutMs,
        signal,
      });
      if (answer.statusCode >= 300) throw answered(request, answer, await answer.body.text());
      return answer.body;
    } catch (error) {
      throw failureOf(error, request, signal);
    }
  }

  async #exchange<R>(request: Request, signal: AbortSignal): Promise<R> {
    const access = await this.#connection.access();
    signal.throwIfAborted();
    try {
      return await this.#ask<R>(access, request, signal);
    } catch (error) {
      if (signal.aborted && isTimeout(signal.reason)) this.#connection.suspect(access);
      throw error;
    }
  }

  async #ask<R>({ headers, requests }: Access, request: Request, signal: AbortSignal): Promise<R> {
    const { origin, prefix } = this.#connection;
    const answer = await requests.request({
      origin,
      path: prefix + withQuery(request),
      method: request.method,
      headers: {
        ...headers,
        ...(request.contentType && { "content-type": request.contentType }),
        ...(request.accept && { accept: request.accept }),
      },
      body: request.body,
      signal,
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw answered(request, answer, text);
    return parseExact(text) as R;
  }
}

/** The error that the caller gets: the reason of its own abort, else a KubeError. */
export function failureOf(error: unknown, request: Request, caller: AbortSignal | undefined): unknown {
  if (caller?.aborted) return caller.reason;
  if (error instanceof KubeError) return error;
  const { method, path } = request;
  const reason = isTimeout(error) ? "RequestTimeout" : "ConnectionFailed";
  return new KubeError({ method, path, status: 0, reason, message: messageOf(error), cause: error });
}

/** One timer and at most one listener, both removed after the request. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #endsAt: number;
  readonly #caller: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#controller.abort(this.#caller?.reason);

  constructor(milliseconds: number, caller: AbortSignal | undefined) {
    this.#endsAt = performance.now() + milliseconds;
    this.#caller = caller;
    const late = (): void =>
      this.#controller.abort(new DOMException(`no answer within ${milliseconds} ms`, "TimeoutError"));
    this.#timer = setTimeout(late, milliseconds);
    if (caller?.aborted) this.#onAbort();
    else caller?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return this.#endsAt - performance.now();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#onAbort);
  }
}

/** Undefined: do not retry. */
function waitBeforeRetry(request: Request, failure: unknown, attempt: number): number | undefined {
  if (!(failure instanceof KubeError)) return undefined;
  const jitter = 1 + Math.random() / 2;
  if (failure.status === 429 && failure.retryAfterSeconds !== undefined) {
    const wanted = Math.max(100, failure.retryAfterSeconds * 1000) * jitter;
    return wanted <= maxRetryAfterMs ? wanted : undefined;
  }
  const lostRead = request.method === "GET" && failure.reason === "ConnectionFailed";
  return lostRead ? 50 * 2 ** attempt * jitter : undefined;
}

function answered(request: Request, answer: Dispatcher.ResponseData, text: string): KubeError {
  return errorFromAnswer(request, answer.statusCode, text, answer.headers["retry-after"]?.toString());
}

function withQuery({ path, query }: Request): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "") parameters.set(name, String(value));
  }
  return parameters.size > 0 ? `${path}?${parameters}` : path;
}

function isTimeout(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  return (
    error.name === "TimeoutError" || code === "UND_ERR_BODY_TIMEOUT" || code === "UND_ERR_HEADERS_TIMEOUT"
  );
}

/** When several addresses were tried, Node throws an AggregateError without a message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
