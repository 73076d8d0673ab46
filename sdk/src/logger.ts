/**
 * Structured log lines: one JSON object a line on stdout, where `kubectl logs` and the run's stored log find
 * them. `console.log` works as well; nothing is intercepted.
 */

import { slot } from "./slots.ts";

/** Fields of a log line besides its time, level and message. */
export type LogProperties = Record<string, unknown>;

type Level = "debug" | "info" | "warn" | "error";

function write(level: Level, message: string, properties: LogProperties | undefined): void {
  const head = { time: new Date().toISOString(), level, message };
  let line: string;
  try {
    // Twice: these come first, and nothing takes their place.
    line = JSON.stringify({ ...head, ...properties, ...head }, plain);
  } catch (error) {
    line = JSON.stringify({ ...head, loggerError: String(error) });
  }
  process.stdout.write(`${line}\n`);
}

/** JSON has no form for these; a log line should not fail because of them. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Error) return { name: value.name, message: value.message, stack: value.stack };
  return value;
}

/** What a function of `logger.trace` may say about its span. */
export interface Span {
  setAttribute(key: string, value: unknown): this;
  setAttributes(attributes: LogProperties): this;
  recordException(error: unknown): void;
  end(): void;
}

type Trace = <T>(
  name: string,
  work: (span: Span) => Promise<T>,
  options?: { attributes?: LogProperties },
) => Promise<T>;

/** Where nobody runs tasks. */
const noSpan: Span = {
  setAttribute: () => noSpan,
  setAttributes: () => noSpan,
  recordException: () => undefined,
  end: () => undefined,
};

/** Writes log lines as JSON. */
export const logger = {
  /** Writes a line of level `debug`. */
  debug: (message: string, properties?: LogProperties): void => write("debug", message, properties),
  /** The same as `info`. */
  log: (message: string, properties?: LogProperties): void => write("info", message, properties),
  /** Writes a line of level `info`. */
  info: (message: string, properties?: LogProperties): void => write("info", message, properties),
  /** Writes a line of level `warn`. */
  warn: (message: string, properties?: LogProperties): void => write("warn", message, properties),
  /** Writes a line of level `error`. */
  error: (message: string, properties?: LogProperties): void => write("error", message, properties),
  /** Calls `work`, and writes a line with the time that it took, in a run. */
  trace: ((name, work, options) =>
    slot<{ trace: Trace }>("logger")?.trace(name, work, options) ?? work(noSpan)) satisfies Trace as Trace,
};
