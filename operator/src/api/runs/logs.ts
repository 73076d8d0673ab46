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
import { setTimeout } from "node:timers/promises";
import { parseDate, parseDuration } from "@fairlead/protocol/durations";
import { attemptLabel, runUidLabel } from "@fairlead/protocol/labels";
import { type Request, type Response, Router } from "express";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import { Pods } from "../../kube/resources.ts";
import { Shares } from "../../lib/shares.ts";
import { textLines } from "../../lib/textLines.ts";
import type { Attempt, TaskRun } from "../../model/resources.ts";
import { isFinished } from "../../model/run/phase.ts";
import { logKey } from "../../storage/layout.ts";
import type { Stores } from "../../storage/objectStore.ts";
import type { ApiKeys } from "../auth/apiKeys.ts";
import { lasts } from "../auth/rights.ts";
import { callerIn } from "../http/caller.ts";
import { query } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import { findRun, type RunAccessDeps } from "./access.ts";
import type { RunReader } from "./reader.ts";

export interface LogDeps extends RunAccessDeps {
  client: Pick<KubeClient, "patch" | "podLog" | "list">;
  store: Stores<"read">;
  reader: Pick<RunReader, "get">;
  keys: Pick<ApiKeys, "find">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

interface Asked {
  attempt?: number;
  /** Milliseconds since the epoch. */
  sinceMs: number;
  timestamps: boolean;
  json: boolean;
  follow: boolean;
}

/** Each holds a connection to a node or to the bucket. */
const places = { each: 32, all: 256 };
const lookMs = 1_000;
const containerName = "main";

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
      await tell(deps, run, asked, new LogAnswer(response, asked, ended.signal), ended.signal);
      response.end();
    } catch (error) {
      if (!ended.signal.aborted) throw error;
    } finally {
      shares.give(namespace);
    }
  });
  return router;
}

/** Attempt by attempt, in order; with `follow` those that come later, too. */
async function tell(
  deps: LogDeps,
  first: TaskRun,
  asked: Asked,
  answer: LogAnswer,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid } = first.metadata;
  let told = 0;
  for (let run: TaskRun | undefined = first; run; run = await deps.reader.get(namespace, name, uid)) {
    const attempts = (run.status?.attempts ?? []).filter(
      ({ number }) => number > told && (asked.attempt === undefined || number === asked.attempt),
    );
    const several = (run.status?.attempts?.length ?? 0) > 1 && asked.attempt === undefined;
    for (const attempt of attempts) {
      if (
        !(await tellAttempt(
          deps,
          run,
          attempt,
          { ...asked, follow: asked.follow && !isFinished(run) },
          answer,
          several,
          signal,
        ))
      )
        break;
      told = attempt.number;
    }
    if (!asked.follow || isFinished(run) || told === asked.attempt) return;
    await setTimeout(lookMs, undefined, { signal });
  }
}

/** False when its container has not begun: to be asked again. */
async function tellAttempt(
  { client, store }: LogDeps,
  { metadata }: TaskRun,
  attempt: Attempt,
  asked: Asked,
  answer: LogAnswer,
  several: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { number, podUid, captured, logNote } = attempt;
  const head = several ? `== attempt ${number} ==` : undefined;
  // A run that ended by its report may not know its pod yet.
  const pod = captured ? undefined : (attempt.pod ?? (await findPod(client, metadata, number, signal)));
  if (pod === undefined) {
    // Without a pod nothing was printed.
    const key = podUid === undefined ? undefined : logKey(metadata, number, podUid);
    const object = key === undefined ? undefined : await store.of(metadata.namespace).read(key);
    if (object) await answer.lines(number, textLines(object.body), head);
    if (logNote !== undefined) await answer.note(number, logNote);
    return captured === true || attempt.outcome !== undefined;
  }
  try {
    const options = { container: containerName, timestamps: true, follow: asked.follow, signal };
    await answer.lines(number, textLines(await client.podLog(metadata.namespace, pod, options)), head);
    return true;
  } catch (error) {
    // 404: the pod is gone; 400: its container has not begun.
    if (!(error instanceof KubeError) || (error.status !== 404 && error.status !== 400)) throw error;
    return attempt.outcome !== undefined;
  }
}

async function findPod(
  client: LogDeps["client"],
  { namespace, uid }: TaskRun["metadata"],
  attempt: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const labelSelector = `${runUidLabel}=${uid},${attemptLabel}=${attempt}`;
  const { items } = await client.list(Pods, namespace, { labelSelector, limit: 1, signal });
  return items[0]?.metadata?.name;
}

/** Writes lines in the form that was asked for, as fast as the client reads them. */
class LogAnswer {
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
