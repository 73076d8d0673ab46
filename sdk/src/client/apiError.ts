/** An answer of the API that is not a success, or the lack of one. Names and classes are Trigger.dev's. */
export class ApiError extends Error {
  override readonly name: string = "TriggerApiError";
  /** Status of the answer; undefined when there was none. */
  readonly status: number | undefined;
  /** The answer's body. */
  readonly body: unknown;

  constructor(status: number | undefined, message: string, body?: unknown, options?: { cause?: unknown }) {
    super(message, options);
    this.status = status;
    this.body = body;
  }
}

/** 400: the request is invalid; the message names the field. */
export class BadRequestError extends ApiError {}
/** 401: the key is missing, wrong or revoked. */
export class AuthenticationError extends ApiError {}
/** 403: the token may not do that. */
export class PermissionDeniedError extends ApiError {}
/** 404: nothing has that id. */
export class NotFoundError extends ApiError {}
/** 409: the request conflicts with the present state. */
export class ConflictError extends ApiError {}
/** 422: the request is valid and was refused; the message says why. */
export class UnprocessableEntityError extends ApiError {}
/** 429: too many requests. */
export class RateLimitError extends ApiError {}
/** 500 and above: the API, or a service that it needs, failed. */
export class InternalServerError extends ApiError {}
/** No answer at all. */
export class ApiConnectionError extends ApiError {}

const classes: Record<number, typeof ApiError> = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  422: UnprocessableEntityError,
  429: RateLimitError,
};

/** The error of an answer, by its status. */
export function errorOfStatus(status: number, body: unknown, origin: string): ApiError {
  const Class = classes[status] ?? (status >= 500 ? InternalServerError : ApiError);
  const error = (body as { error?: unknown } | undefined)?.error;
  const reason =
    typeof error === "string" ? error : error === undefined ? `status ${status}` : JSON.stringify(error);
  const isUnknownKey = status === 401 && reason === "Invalid or Missing API key";
  const message = isUnknownKey ? `${reason}: ${origin} does not know this TRIGGER_SECRET_KEY` : reason;
  return new Class(status, message, body);
}
