/** How a request to the API server fails. */

interface KubeErrorDetails {
  method: string;
  path: string;
  /** HTTP status; 0 when no answer came. */
  status: number;
  /**
   * The API server's reason (`NotFound`, `NotServed` for a kind that it does not know, `AlreadyExists`,
   * `Conflict`, `Expired` …) or one of ours for status 0.
   */
  reason: string;
  message: string;
  retryAfterSeconds?: number;
  cause?: unknown;
}

/**
 * A request that failed. Without an answer (status 0) the reason is `ConnectionFailed` or `RequestTimeout`;
 * then, and after a status of 500 or more, a write may or may not have happened: read before you repeat it.
 */
export class KubeError extends Error {
  override name = "KubeError";
  readonly status: number;
  readonly reason: string;
  readonly retryAfterSeconds?: number;

  constructor(details: KubeErrorDetails) {
    const { method, path, status, reason, message } = details;
    super(`${method} ${path}: ${status ? `${status} ` : ""}${reason}${message ? `: ${message}` : ""}`, {
      cause: details.cause,
    });
    this.status = status;
    this.reason = reason;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  static is(error: unknown, reason: string): error is KubeError {
    return error instanceof KubeError && error.reason === reason;
  }

  /** The version of a list or watch is too old: list again from the start. */
  static isExpired(error: unknown): error is KubeError {
    return error instanceof KubeError && (error.status === 410 || ["Expired", "Gone"].includes(error.reason));
  }
}

/** The error in an answer's body: a Status object as a rule, plain text from proxies. */
export function errorFromAnswer(
  request: { method: string; path: string },
  status: number,
  body: string,
  retryAfter?: string,
): KubeError {
  const seconds = retryAfter ? Number(retryAfter) : Number.NaN;
  const retryAfterSeconds = Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
  const answer = parseStatus(body) ?? { reason: reasons[status], message: body.trim().slice(0, 1000) };
  return errorFromStatus(request, { code: status, ...answer }, retryAfterSeconds);
}

export function errorFromStatus(
  request: { method: string; path: string },
  answer: StatusObject,
  retryAfterSeconds = answer.details?.retryAfterSeconds,
): KubeError {
  const { code = 500, reason, message = "" } = answer;
  const { method, path } = request;
  return new KubeError({
    method,
    path,
    status: code,
    reason: reason || "Unknown",
    message,
    retryAfterSeconds,
  });
}

/** What the API server sends for an error, alone or in a watch's ERROR event. */
export interface StatusObject {
  code?: number;
  reason?: string;
  message?: string;
  details?: { retryAfterSeconds?: number };
}

function parseStatus(body: string): StatusObject | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    const isStatus =
      typeof parsed === "object" && parsed !== null && "kind" in parsed && parsed.kind === "Status";
    return isStatus ? (parsed as StatusObject) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reasons for answers without a Status. They come from proxies, and from the API server for what it does not
 * serve: such a 404 does not mean that an object is missing.
 */
const reasons: Record<number, string> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotServed",
  405: "MethodNotAllowed",
  409: "Conflict",
  410: "Gone",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};
