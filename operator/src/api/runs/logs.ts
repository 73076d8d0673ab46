/**
 * GET /api/v1/runs/<id>/logs: what a run printed, attempt by attempt: from the bucket once an attempt's log
 * is there, from its pod before that. With `follow=true` the answer goes on until the run has ended, or the
 * caller's right.
 *
 *   attempt=2            only that one
 *   since=10m            no older lines; a duration, or a time
 *   timestamps=true      each line begins with its time
 *   format=json          a JSON object a line: {attempt, at, line}, or {attempt, note} for what is missing
 *
 * As text, attempts are told apart by a line of their own when there are several.
 */
import { once } from "node:events";
import { parseDate, parseDuration } from "@fairlead/protocol/durations";

import { type Request, type Response, Router } from "express";
import { Shares } from "../../lib/shares.ts";
import type { ApiKeys } from "../auth/apiKeys.ts";
import { lasts } from "../auth/rights.ts";
import { callerIn } from "../http/caller.ts";
import { query } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import { findRun, type RunAccessDeps } from "./access.ts";
import { type AskedAttempts, type AttemptLogDeps, type LogSink, tellAttempts } from "./attemptLogs.ts";

interface LogDeps extends RunAccessDeps, AttemptLogDeps {
  client: RunAccessDeps["client"] & AttemptLogDeps["client"];
  reader: AttemptLogDeps["reader"];
  keys: Pick<ApiKeys, "find">;
}

interface Asked extends AskedAttempts {
  /** Milliseconds since the epoch. */
  sinceMs: number;
  timestamps: boolean;
  json: boolean;
}

/** Each holds a connection to a node or to the bucket. */
const places = { each: 32, all: 256 };
const lookMs = 1_000;

export function runLogsRouter(deps: LogDeps): Router {
  const router = Router();
  const shares = new Shares(places);
  router.get("/api/v1/runs/:id/logs", async (request, response) => {
    const run = await findRun(deps, request, response, "read");
    const asked = askedOf(request, deps.clock());
    const { namespace } = run.metadata;
    // The client has left meanwhile: no "close" would ever come.
    if (response.destroyed) return;
    if (!shares.take(namespace)) {
      response.set("retry-after", "1");
      throw new Problem(429, `Too many logs are read at once, ${places.each}: retry`, { retry: true });
    }
    const ended = new AbortController();
    const caller = callerIn(response);
    const watch = setInterval(() => {
      // A right that has ended ends what it has opened.
      if (!lasts(caller, deps.keys.find(caller.key), deps.clock())) response.destroy();
    }, lookMs);
    response.once("close", () => {
      clearInterval(watch);
      ended.abort();
    });
    try {
      response.set({
        "content-type": asked.json ? "application/x-ndjson" : "text/plain; charset=utf-8",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
      });
      // What waits for the first line knows that it was let in.
      if (asked.follow) response.flushHeaders();
      await tellAttempts(deps, run, asked, new LogAnswer(response, asked, ended.signal), ended.signal);
      response.end();
    } catch (error) {
      if (!ended.signal.aborted) throw error;
    } finally {
      shares.give(namespace);
    }
  });
  return router;
}

/** Writes lines in the form that was asked for, as fast as the client reads them. */
class LogAnswer implements LogSink {
  readonly #response: Response;
  readonly #asked: Asked;
  readonly #signal: AbortSignal;

  constructor(response: Response, asked: Asked, signal: AbortSignal) {
    this.#response = response;
    this.#asked = asked;
    this.#signal = signal;
  }

  async lines(attempt: number, lines: AsyncIterable<string>, head: string | undefined): Promise<void> {
    const { json, sinceMs, timestamps } = this.#asked;
    if (head !== undefined && !json) await this.#write(`${head}\n`);
    for await (const text of lines) {
      const { at, line } = stamped(text);
      if (at !== undefined && sinceMs > 0 && Date.parse(at) < sinceMs) continue;
      if (json) await this.#write(`${JSON.stringify({ attempt, at, line })}\n`);
      else await this.#write(timestamps && at !== undefined ? `${at} ${line}\n` : `${line}\n`);
    }
  }

  note(attempt: number, note: string): Promise<void> {
    return this.#write(this.#asked.json ? `${JSON.stringify({ attempt, note })}\n` : `(${note})\n`);
  }

  async #write(text: string): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#response.write(text)) return;
    await once(this.#response, "drain", { signal: this.#signal });
  }
}

/** As the kubelet writes it: a time, a space, the line. A log of before has no times. */
function stamped(text: string): { at?: string; line: string } {
  const at = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) /.exec(text)?.[1];
  return at === undefined ? { line: text } : { at, line: text.slice(at.length + 1) };
}

function askedOf(request: Request, now: number): Asked {
  const attempt = query(request, "attempt");
  if (attempt !== undefined && !/^[1-9]\d{0,5}$/.test(attempt))
    throw new Problem(400, "attempt: a whole number from 1 is needed");
  const format = query(request, "format") ?? "text";
  if (format !== "text" && format !== "json") throw new Problem(400, "format: text or json is needed");
  return {
    attempt: attempt === undefined ? undefined : Number(attempt),
    sinceMs: sinceOf(query(request, "since"), now),
    timestamps: flagOf(request, "timestamps"),
    json: format === "json",
    follow: flagOf(request, "follow"),
  };
}

function sinceOf(since: string | undefined, now: number): number {
  if (since === undefined) return 0;
  const seconds = parseDuration(since);
  const ms = seconds === undefined ? parseDate(since) : now - seconds * 1000;
  if (ms === undefined)
    throw new Problem(400, "since: a duration such as 10m, or a time with its zone, is needed");
  return ms;
}

function flagOf(request: Request, name: string): boolean {
  const value = query(request, name) ?? "false";
  if (value !== "true" && value !== "false") throw new Problem(400, `${name}: true or false is needed`);
  return value === "true";
}
