/**
 * The slot "logger": lines of JSON on stdout, as those of our SDK. A span (`logger.trace`) is one line at its
 * end, with its duration, its attributes and what it threw.
 */
import { type LogProperties, logger as lines } from "@fairlead/sdk/logger";

type Attributes = Record<string, unknown>;

interface SpanOptions {
  attributes?: Attributes;
}

/** What OpenTelemetry calls a span, as far as a line of the log can tell of it. */
class Span {
  readonly #name: string;
  readonly #attributes: Attributes;
  readonly #startedAt = performance.now();
  #error: unknown;
  #hasEnded = false;

  constructor(name: string, attributes: Attributes = {}) {
    this.#name = name;
    this.#attributes = { ...attributes };
  }

  setAttribute(key: string, value: unknown): this {
    this.#attributes[key] = value;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    Object.assign(this.#attributes, attributes);
    return this;
  }

  recordException(error: unknown): void {
    this.#error = error;
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const durationMs = Math.round(performance.now() - this.#startedAt);
    const error = this.#error === undefined ? {} : { error: this.#error };
    lines.info(this.#name, { span: true, durationMs, ...this.#attributes, ...error });
  }

  isRecording(): boolean {
    return !this.#hasEnded;
  }

  spanContext(): { traceId: string; spanId: string; traceFlags: number } {
    return { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };
  }

  addEvent(): this {
    return this;
  }
  addLink(): this {
    return this;
  }
  addLinks(): this {
    return this;
  }
  setStatus(): this {
    return this;
  }
  updateName(): this {
    return this;
  }
}

type Write = (message: string, properties?: LogProperties) => void;

export const loggerSlot = {
  debug: lines.debug as Write,
  log: lines.log as Write,
  info: lines.info as Write,
  warn: lines.warn as Write,
  error: lines.error as Write,

  async trace<T>(name: string, work: (span: Span) => Promise<T>, options?: SpanOptions): Promise<T> {
    const span = new Span(name, options?.attributes);
    try {
      return await work(span);
    } catch (error) {
      span.recordException(error);
      throw error;
    } finally {
      span.end();
    }
  },

  startSpan: (name: string, options?: SpanOptions): Span => new Span(name, options?.attributes),
};
