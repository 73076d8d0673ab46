/**
 * HTTP calls with a time limit and bounded answers, and their repetition.
 *
 * On node:http: the first fetch() of a process costs some 40 ms of its time, this 6 ms, and both a task's
 * start and its end would wait for it. Loaded with the first call, after user code began.
 */

export interface HttpRequest {
  method: "GET" | "POST" | "PUT";
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  timeoutMs: number;
  /** Largest answer that is read. */
  maxBytes: number;
  /** Ends the call. */
  signal?: AbortSignal;
}

interface HttpResponse {
  status: number;
  body: Buffer;
}

export function httpRequest(url: string, options: HttpRequest): Promise<HttpResponse> {
  const { method, timeoutMs, maxBytes, signal } = options;
  const body = typeof options.body === "string" ? Buffer.from(options.body) : options.body;
  const headers = { ...options.headers, ...(body ? { "content-length": String(body.byteLength) } : {}) };
  const { request } = url.startsWith("https:")
    ? process.getBuiltinModule("node:https")
    : process.getBuiltinModule("node:http");
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers, signal }, (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on("data", (part: Buffer) => {
        size += part.length;
        if (size > maxBytes) call.destroy(new AnswerTooLarge(`the answer has more than ${maxBytes} bytes`));
        else parts.push(part);
      });
      response.on("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) });
      });
      response.on("error", fail);
    });
    const timer = setTimeout(
      () => call.destroy(new Error(`no answer within ${(timeoutMs / 1000).toFixed(1)} s`)),
      timeoutMs,
    );
    function fail(error: Error): void {
      clearTimeout(timer);
      reject(error);
    }
    call.on("error", fail);
    call.end(body);
  });
}

/** An answer that repeating the call would not change. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class AnswerTooLarge extends Error {}

/** Returns the answer when it is a success; throws Refused when another try would get the same. */
export function expectSuccess(what: string, response: HttpResponse): HttpResponse {
  const { status, body } = response;
  if (status >= 200 && status < 300) return response;
  const message = `${what}: HTTP ${status} ${body.toString("utf8", 0, 500)}`.trim();
  if (status === 408 || status === 429 || status >= 500) throw new Error(message);
  throw new Refused(status, message);
}

const firstDelayMs = 100;
const longestDelayMs = 5000;

/** Repeats until success, a refusal or the end of the budget; each try gets at most `tryMs`. */
export async function retrying<T>(
  { budgetMs, tryMs }: { budgetMs: number; tryMs: number },
  attempt: (timeoutMs: number) => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + budgetMs;
  for (let tries = 0; ; tries++) {
    try {
      return await attempt(Math.max(1, Math.min(tryMs, deadline - performance.now())));
    } catch (error) {
      const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** tries) * (0.5 + Math.random() / 2);
      const final = error instanceof Refused || error instanceof AnswerTooLarge;
      if (final || performance.now() + delay >= deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}
