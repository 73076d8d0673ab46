/**
 * Why an attempt failed, and the form in which the run shows it.
 *
 * Not retryable: failures that another attempt of the same code with the same payload would repeat (the task
 * is missing, does not load, cannot read its payload, returned a value that cannot be stored), and
 * AbortTaskRunError.
 */
import { type ErrorCode, errorLimits, type ReportedError } from "@fairlead/protocol/report";

const causesShown = 5;

interface FailureOptions {
  /** Default false. */
  retryable?: boolean;
  /** When the next attempt is to start, whatever the retry settings say. */
  retryDelayMs?: number;
  cause?: unknown;
  thrown?: { value: unknown };
}

export class Failure extends Error {
  readonly #ours = true;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryDelayMs?: number;
  /** What user code threw; absent when the runner itself found the failure. */
  readonly thrown?: { value: unknown };

  constructor(code: ErrorCode, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = nameOfCode(code);
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryDelayMs = options.retryDelayMs;
    this.thrown = options.thrown;
  }

  /** Safe with anything that user code may throw, a revoked proxy included. */
  static is(value: unknown): value is Failure {
    return typeof value === "object" && value !== null && #ours in value;
  }

  static thrownBy(code: ErrorCode, value: unknown, retryable: boolean): Failure {
    return new Failure(code, "", { retryable, thrown: { value } });
  }

  /** The error that user code sees: its own, or this one. */
  get shown(): unknown {
    return this.thrown ? this.thrown.value : this;
  }
}

/** What a task's `run` or one of its hooks threw. */
export function failureOf(value: unknown, code: ErrorCode = "TASK_ERROR"): Failure {
  if (Failure.is(value)) return value;
  const own = code === "TASK_ERROR" ? ownCode(text(value, "name")) : undefined;
  // The same machine would not be enough again; a larger one is the policy's matter.
  return Failure.thrownBy(own ?? code, value, !isFinal(value) && own !== "OUT_OF_MEMORY");
}

/** Errors that say themselves what they are. A bundle may hold several copies of their classes. */
function ownCode(name: string | undefined): ErrorCode | undefined {
  if (name === "AbortTaskRunError") return "ABORTED";
  if (name === "TaskPayloadParsedError") return "PAYLOAD_ERROR";
  return name === "OutOfMemoryError" ? "OUT_OF_MEMORY" : undefined;
}

/** Another attempt would end in the same way, and no catchError is asked: Trigger.dev's rules. */
export function isFinal(value: unknown): boolean {
  const name = text(value, "name");
  if (name === "AbortTaskRunError" || name === "TaskPayloadParsedError") return true;
  if (name === "TriggerInternalError") return property(value, "skipRetrying") === true;
  const status = name === "TriggerApiError" ? property(value, "status") : undefined;
  return typeof status === "number" && status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** When a rate limit that the value is about ends, in milliseconds. */
export function rateLimitDelay(value: unknown): number | undefined {
  if (text(value, "name") !== "TriggerApiError" || property(value, "status") !== 429) return undefined;
  const delay = property(value, "millisecondsUntilReset");
  return typeof delay === "number" && delay > 0 ? delay : undefined;
}

/** What a task throws to complete at once. */
export function outputIn(value: unknown): { output: unknown } | undefined {
  if (text(value, "name") !== "CompleteTaskWithOutput") return undefined;
  return { output: property(value, "output") };
}

export function reportedError(failure: Failure): ReportedError {
  const { code, retryable, retryDelayMs } = failure;
  const value = failure.shown;
  return {
    name: cut(text(value, "name") || "Error", errorLimits.name),
    message: cut(text(value, "message") ?? describe(value), errorLimits.message),
    stack: hasStack(failure) ? cut(stackOf(value), errorLimits.stack) || undefined : undefined,
    code,
    retryable,
    ...(retryDelayMs === undefined ? {} : { retryDelayMs }),
  };
}

/** The runner's own stack helps no user, except to find the call of process.exit. */
const hasStack = (failure: Failure): boolean =>
  failure.thrown !== undefined || failure.code === "PROCESS_EXIT";

/** The stack, followed by those of the causes: "fetch failed" alone explains nothing. */
function stackOf(value: unknown): string {
  const stacks: string[] = [];
  let current = value;
  for (let depth = 0; depth <= causesShown && current !== undefined; depth++) {
    const stack = text(current, "stack") ?? (depth === 0 ? undefined : describe(current));
    if (stack !== undefined) stacks.push(depth === 0 ? stack : `Caused by: ${stack}`);
    current = property(current, "cause");
  }
  return withoutInternals(stacks.join("\n"));
}

/** A stack or a log text less the frames of the runner and of Node itself. */
export function withoutInternals(text: string): string {
  const internal = (line: string): boolean =>
    /^\s+at /.test(line) &&
    (line.includes(import.meta.url) ||
      line.includes("(node:") ||
      line.endsWith("at new Promise (<anonymous>)"));
  return text
    .split("\n")
    .filter((line) => !internal(line))
    .join("\n");
}

/** A thrown value as Node would log it. */
export function inspected(value: unknown): string {
  return withoutInternals(process.getBuiltinModule("node:util").inspect(value));
}

/** The message for a thrown value that is not an error. */
function describe(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    const { inspect } = process.getBuiltinModule("node:util");
    return `${inspect(value, { depth: 2, breakLength: Number.POSITIVE_INFINITY })} was thrown, not an Error`;
  } catch {
    return `a ${typeof value} was thrown, not an Error`;
  }
}

function text(value: unknown, key: string): string | undefined {
  const found = property(value, key);
  return typeof found === "string" ? found : undefined;
}

/** Getters and proxies of user code may throw. */
function property(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

/** TASK_NOT_FOUND → TaskNotFound. */
const nameOfCode = (code: string): string =>
  code.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** At most `limit` UTF-16 units, no character cut in two. */
function cut(value: string, limit: number): string {
  if (value.length <= limit) return value;
  const last = value.charCodeAt(limit - 2);
  const end = last >= 0xd800 && last <= 0xdbff ? limit - 2 : limit - 1;
  return `${value.slice(0, end)}…`;
}
