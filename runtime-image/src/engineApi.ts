/**
 * The runner's calls of the API (protocol/runnerApi.ts). The attempt begins with what `start` answers; user
 * code waits for none of the others, and the run settles without them: the termination message says the same.
 *
 *   the pod's token, from its file ─► start, token ─► the attempt's token ─► all other calls
 */
import { readFileSync } from "node:fs";
import type { Report, StopType } from "@fairlead/protocol/report";
import {
  type AttemptAnswer,
  type BundleAnswer,
  type BundleBody,
  runnerApi,
  type StartAnswer,
  type StartBody,
  type TokenAnswer,
  type UploadAnswer,
  type UploadBody,
  type WaitAnswer,
  type WaitBody,
} from "@fairlead/protocol/runnerApi";
import type { Environment } from "./environment.ts";
import { expectSuccess, type HttpRequest, httpRequest, retrying } from "./http.ts";

const answerBytes = 64 * 1024;
/** A resource has at most 1.5 MiB; as JSON within JSON that may double. */
const startBytes = 4 * 1024 * 1024;
const tryMs = 5000;
/** An attempt that fails for want of the API is worse than one that begins late. */
const startBudgetMs = 120_000;

/** The API holds a wait for 25 s. */
const waitMs = 40_000;
/** The outputs of a batch together, and what is around them. */
const resultsBytes = 64 * 1024 * 1024;

interface CallLimits {
  maxBytes?: number;
  signal?: AbortSignal;
}

/** The least between two renewals. */
const renewalPauseMs = 10_000;
const longestTimerMs = 2 ** 31 - 1;

/** Kubernetes renews it. */
export const podToken = (file: string): string => readFileSync(file, "utf8").trim();

export class EngineApi {
  readonly #environment: Pick<Environment, "apiUrl" | "tokenFile">;
  #token: string | undefined;
  /** By performance.now(): half of its life is over. */
  #renewAt = 0;
  /** Renews it then, for the calls of the task's own code. */
  #renewal: NodeJS.Timeout | undefined;
  readonly #onToken: (token: string) => void;

  /** `onToken`: called with the attempt's token, and with each that replaces it. */
  constructor(environment: Pick<Environment, "apiUrl" | "tokenFile">, onToken: (token: string) => void) {
    this.#environment = environment;
    this.#onToken = onToken;
  }

  /** For calls of the API: the attempt's, and until that is there its pod's, which opens the same. */
  get token(): string {
    return this.#token ?? this.#podToken();
  }

  async start(startedAt: string): Promise<StartAnswer> {
    const body: StartBody = { startedAt };
    const answer = await retrying({ budgetMs: startBudgetMs, tryMs }, (ms) =>
      this.#call<StartAnswer>(this.#podToken(), "POST", "/start", ms, body, { maxBytes: startBytes }),
    );
    this.#keep(answer);
    return { ...answer, run: answer.run ?? { tags: [] } } as StartAnswer;
  }

  /** Where the parts of the task's code are. */
  async bundleUrls(parts: readonly string[]): Promise<Record<string, string>> {
    const body: BundleBody = { parts: [...parts] };
    const { urls = {} } = await retrying({ budgetMs: startBudgetMs, tryMs }, (ms) =>
      this.#call<BundleAnswer>(this.#podToken(), "POST", "/bundle", ms, body, { maxBytes: startBytes }),
    );
    return urls;
  }

  /** Why the pod is being stopped; asked once, within the time limit. */
  async stopReason(timeoutMs: number): Promise<StopType | undefined> {
    const { stopReason } = await this.#own<AttemptAnswer>("GET", "", timeoutMs);
    return stopReason === "canceled" || stopReason === "maxDuration" ? stopReason : undefined;
  }

  /**
   * A presigned PUT for the output, and its key in the bucket. Not repeated here: the upload is, as a whole.
   */
  async outputUrl(body: UploadBody, timeoutMs: number): Promise<UploadAnswer> {
    const { url, key, headers = {} } = await this.#own<UploadAnswer>("POST", "/output", timeoutMs, body);
    if (typeof url !== "string" || typeof key !== "string") {
      throw new Error(`POST ${runnerApi}/attempt/output: the answer has no url and key`);
    }
    return { url, key, headers };
  }

  /** Held by the API until something of `on` is settled and the run has a slot, or its time is over. */
  async wait(body: WaitBody, signal: AbortSignal): Promise<WaitAnswer> {
    return this.#own<WaitAnswer>("POST", "/wait", waitMs, body, { maxBytes: resultsBytes, signal });
  }

  async report(report: Report, budgetMs: number): Promise<void> {
    await retrying({ budgetMs, tryMs }, (ms) => this.#own("POST", "/report", ms, report));
  }

  /** With the attempt's token, which is renewed in time. */
  async #own<T extends object>(
    method: HttpRequest["method"],
    path: string,
    timeoutMs: number,
    body?: object,
    limits?: CallLimits,
  ): Promise<Partial<T>> {
    if (this.#token === undefined || performance.now() > this.#renewAt) {
      const renewed = this.#renew(timeoutMs / 2);
      // The old one may still do.
      if (this.#token === undefined) await renewed;
      else await renewed.catch(() => {});
    }
    return this.#call<T>(this.#token ?? "", method, path, timeoutMs, body, limits);
  }

  #keep({ token, expiresInSeconds = 0 }: Partial<TokenAnswer>): void {
    if (typeof token !== "string") throw new Error(`${runnerApi}/attempt: the answer has no token`);
    this.#token = token;
    this.#renewAt = performance.now() + expiresInSeconds * 500;
    this.#renewIn(expiresInSeconds * 500);
    this.#onToken(token);
  }

  async #renew(timeoutMs: number): Promise<void> {
    this.#keep(await this.#call<TokenAnswer>(this.#podToken(), "POST", "/token", timeoutMs));
  }

  #renewIn(ms: number): void {
    clearTimeout(this.#renewal);
    const again = (): void => this.#renewIn(renewalPauseMs);
    const renew = (): void => void this.#renew(tryMs).catch(again);
    this.#renewal = setTimeout(renew, Math.min(Math.max(ms, renewalPauseMs), longestTimerMs)).unref();
  }

  #podToken(): string {
    return podToken(this.#environment.tokenFile);
  }

  /** The answer as JSON: what the API promises of it, not yet checked. */
  async #call<T extends object>(
    token: string,
    method: HttpRequest["method"],
    path: string,
    timeoutMs: number,
    body?: object,
    { maxBytes = answerBytes, signal }: CallLimits = {},
  ): Promise<Partial<T>> {
    const response = await httpRequest(`${this.#environment.apiUrl}${runnerApi}/attempt${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body ? { "content-type": "application/json" } : {}),
      },
      body: body && JSON.stringify(body),
      ...{ timeoutMs, maxBytes, signal },
    });
    const { status, body: answer } = expectSuccess(`${method} ${runnerApi}/attempt${path}`, response);
    return status === 204 || answer.length === 0 ? {} : JSON.parse(answer.toString());
  }
}
