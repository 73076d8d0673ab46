/** `wait`: a task waits for a time, or for a token that something outside completes. */
import { anything, type Check, checkOptions, shown, wholeNumber } from "../checks.ts";
import { request, segment } from "../client/request.ts";
import { InvalidOptionError, WaitpointTimeoutError } from "../errors.ts";
import type { Duration, RequestOptions } from "../types.ts";
import { hostFor, outputOf } from "./andWait.ts";
import { currentContext } from "./context.ts";

/** A key makes a wait of a retried attempt end when that of the first one would have. */
interface KeyOptions {
  idempotencyKey?: string;
  idempotencyKeyTTL?: Duration;
}

type Unit = "seconds" | "minutes" | "hours" | "days" | "weeks" | "months" | "years";
/** One unit and how many of it; a month has 30 days, a year 365. */
export type WaitForOptions = KeyOptions & { [U in Unit]?: number };
export interface WaitUntilOptions extends KeyOptions {
  date: Date;
  /** A date in the past is an error; else it is no wait. */
  throwIfInThePast?: boolean;
}

export interface WaitTokenOptions extends KeyOptions {
  /** When it times out: a duration, or a date. Default 10m. */
  timeout?: Duration | Date;
  /** Up to 10, of 128 characters each. */
  tags?: string[];
}

export interface WaitToken {
  /** `waitpoint_…`. */
  id: string;
  isCached: boolean;
  /** A POST to it completes the token, with the body as its output. */
  url: string;
  /** Allows to complete this token alone, for a day, from a browser too. */
  publicAccessToken?: string;
}

export interface RetrievedToken {
  id: string;
  url: string;
  status: "WAITING" | "COMPLETED" | "TIMED_OUT";
  completedAt?: Date;
  timeoutAt?: Date;
  idempotencyKey?: string;
  idempotencyKeyExpiresAt?: Date;
  tags: string[];
  createdAt: Date;
  output?: unknown;
  error?: Error;
}

/** What a token gave. */
export type TokenResult<T> = { ok: true; output: T } | { ok: false; error: WaitpointTimeoutError };

/** A promise of what a token gives; `unwrap()` is its output, or throws. */
class TokenPromise<T> extends Promise<TokenResult<T>> {
  static override readonly [Symbol.species] = Promise;

  /** The output; throws WaitpointTimeoutError when the token's time ran out. */
  async unwrap(): Promise<T> {
    const result = await this;
    if (result.ok) return result.output;
    throw result.error;
  }
}

const secondsOf: Record<Unit, number> = {
  ...{ seconds: 1, minutes: 60, hours: 3600, days: 86_400 },
  ...{ weeks: 604_800, months: 30 * 86_400, years: 365 * 86_400 },
};
/** Shorter ones stay in the process, and keep the slot. */
const shortMs = 5_000;
const keyTable = { idempotencyKey: anything, idempotencyKeyTTL: anything };
const unitTable = Object.fromEntries(Object.keys(secondsOf).map((unit) => [unit, anything])) as Record<
  Unit,
  Check
>;

export const wait = {
  /** Waits for so long. */
  async for(options: WaitForOptions): Promise<void> {
    checkOptions(options ?? null, { ...keyTable, ...unitTable });
    const given = Object.entries(secondsOf).filter(([unit]) => options[unit as Unit] !== undefined);
    const [unit, seconds] = given[0] ?? [];
    const count = options[unit as Unit];
    if (given.length !== 1 || seconds === undefined || typeof count !== "number" || !Number.isFinite(count))
      throw new InvalidOptionError(
        "options",
        `${shown(options)} is not one unit with a number, such as { seconds: 30 }`,
      );
    await waitUntil("wait.for", new Date(Date.now() + count * seconds * 1000), options);
  },

  /** Waits until then. */
  async until(options: WaitUntilOptions): Promise<void> {
    checkOptions(options ?? null, { ...keyTable, date: anything, throwIfInThePast: anything });
    const { date } = options;
    if (!(date instanceof Date) || Number.isNaN(date.getTime()))
      throw new InvalidOptionError("date", `${shown(date)} is not a valid Date`);
    if (options.throwIfInThePast && date.getTime() < Date.now()) throw new Error("Date is in the past");
    await waitUntil("wait.until", date, options);
  },

  /** Makes a token; also outside of a task. */
  async createToken(options: WaitTokenOptions = {}, requestOptions: RequestOptions = {}): Promise<WaitToken> {
    checkOptions(options, { ...keyTable, timeout: anything, tags: anything });
    const { timeout } = options;
    const body = { ...options, timeout: timeout instanceof Date ? timeout.toISOString() : timeout };
    const answer = await request<WaitToken>({ ...requestOptions, method: "POST", path, body });
    return { ...answer.body, publicAccessToken: answer.headers.get("x-trigger-jwt") ?? undefined };
  },

  /** Waits until the token is completed, or has timed out. */
  forToken<T = unknown>(token: string | { id: string }): TokenPromise<T> {
    const id = idOf(token);
    const work = async (): Promise<TokenResult<T>> => {
      const host = hostFor("wait.forToken");
      const run = segment(currentContext()?.run.id ?? "");
      await request({ method: "POST", path: `/engine/v1/runs/${run}/waitpoints/tokens/${segment(id)}/wait` });
      const result = await host.waitForWaitpoint({ waitpointFriendlyId: id });
      const output = await outputOf(result);
      if (result.ok) return { ok: true, output: output as T };
      return { ok: false, error: new WaitpointTimeoutError((output as { message?: string })?.message ?? "") };
    };
    return new TokenPromise((resolve, reject) => void work().then(resolve, reject));
  },

  /** Completes a token; one that was completed or timed out stays as it is. */
  async completeToken(
    token: string | { id: string },
    data?: unknown,
    options: RequestOptions = {},
  ): Promise<{ success: true }> {
    const call = {
      ...options,
      method: "POST",
      path: `${path}/${segment(idOf(token))}/complete`,
      body: { data },
    } as const;
    return (await request<{ success: true }>(call)).body;
  },

  async retrieveToken(token: string | { id: string }, options: RequestOptions = {}): Promise<RetrievedToken> {
    const call = { ...options, method: "GET", path: `${path}/${segment(idOf(token))}` } as const;
    const { output, outputType, outputIsError, ...read } = (await request<WireToken>(call)).body;
    const value = await outputOf({ output, outputType });
    const error = outputIsError
      ? new WaitpointTimeoutError((value as { message?: string }).message ?? "")
      : undefined;
    return { ...dated(read), ...(error ? { error } : { output: value }) };
  },

  /** The tokens that fit, newest first, page by page. */
  async *listTokens(options: ListTokensOptions = {}): AsyncGenerator<RetrievedToken, void, undefined> {
    checkOptions(options, listTable);
    const { signal, maxAttempts, status, tags, idempotencyKey, period, from, to, limit } = options;
    let after: string | undefined;
    do {
      const query = {
        "page[size]": limit,
        "page[after]": after,
        "filter[status]": status && [status].flat().join(","),
        "filter[tags]": tags && [tags].flat().join(","),
        "filter[idempotencyKey]": idempotencyKey,
        "filter[createdAt][period]": period,
        "filter[createdAt][from]": from?.getTime(),
        "filter[createdAt][to]": to?.getTime(),
      };
      const call = { method: "GET", path, query, signal, maxAttempts } as const;
      const { body } = await request<{ data: WireToken[]; pagination: { next?: string } }>(call);
      yield* body.data.map(dated);
      after = body.pagination.next;
    } while (after !== undefined);
  },
};

export interface ListTokensOptions extends RequestOptions {
  status?: RetrievedToken["status"] | RetrievedToken["status"][];
  tags?: string | string[];
  idempotencyKey?: string;
  /** A duration up to now, such as `1d`. */
  period?: string;
  from?: Date;
  to?: Date;
  /** Tokens a page, 1 to 100. Default 25. */
  limit?: number;
}

const listTable = {
  ...{
    signal: anything,
    maxAttempts: wholeNumber(1),
    status: anything,
    tags: anything,
    idempotencyKey: anything,
  },
  ...{ period: anything, from: anything, to: anything, limit: wholeNumber(1, 100) },
} satisfies Record<keyof ListTokensOptions, Check>;

const path = "/api/v1/waitpoints/tokens";

type WireToken = RetrievedToken & { output?: string; outputType?: string; outputIsError?: boolean };

const idOf = (token: string | { id: string }): string => (typeof token === "string" ? token : token.id);

function dated<T extends object>(token: T): T {
  const read = token as Record<string, unknown>;
  for (const field of ["completedAt", "timeoutAt", "createdAt", "idempotencyKeyExpiresAt"]) {
    if (typeof read[field] === "string") read[field] = new Date(read[field]);
  }
  return token;
}

async function waitUntil(
  what: string,
  date: Date,
  { idempotencyKey, idempotencyKeyTTL }: KeyOptions,
): Promise<void> {
  const host = hostFor(what);
  const left = date.getTime() - Date.now();
  if (left <= shortMs && idempotencyKey === undefined)
    return new Promise((resolve) => setTimeout(resolve, Math.max(0, left)));
  const run = segment(currentContext()?.run.id ?? "");
  const body = { date, idempotencyKey, idempotencyKeyTTL };
  const { waitpoint } = (
    await request<{ waitpoint: { id: string } }>({
      method: "POST",
      path: `/engine/v1/runs/${run}/wait/duration`,
      body,
    })
  ).body;
  await host.waitForWaitpoint({ waitpointFriendlyId: waitpoint.id, finishDate: date });
}
