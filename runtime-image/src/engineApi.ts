/**
 * The runner's calls of the API (protocol/runnerApi.ts). User code never waits for one of them, and a run
 * settles without any: the termination message says the same.
 */
import type { Report, StopType } from "@fairlead/protocol/report";
import {
  type AttemptAnswer,
  type MetadataAnswer,
  runnerApi,
  type StartBody,
  type UploadAnswer,
  type UploadBody,
} from "@fairlead/protocol/runnerApi";
import type { Environment } from "./environment.ts";
import { expectSuccess, type HttpRequest, httpRequest, retrying } from "./http.ts";

const answerBytes = 64 * 1024;
/** A resource has at most 1.5 MiB. */
const metadataBytes = 2 * 1024 * 1024;
const metadataBudgetMs = 30_000;
const tryMs = 5000;
const startBudgetMs = 5000;

export class EngineApi {
  readonly #environment: Pick<Environment, "apiUrl" | "token" | "podUid">;

  constructor(environment: Pick<Environment, "apiUrl" | "token" | "podUid">) {
    this.#environment = environment;
  }

  /** The attempt's, as calls of its own need it now. */
  get token(): string {
    return this.#environment.token;
  }

  async start(startedAt: string): Promise<void> {
    const body: StartBody = { podUid: this.#environment.podUid, startedAt };
    await retrying({ budgetMs: startBudgetMs, tryMs }, (ms) => this.#call("POST", "/start", ms, body));
  }

  /** Why the pod is being stopped; asked once, within the time limit. */
  async stopReason(timeoutMs: number): Promise<StopType | undefined> {
    const { stopReason } = await this.#call<AttemptAnswer>("GET", "", timeoutMs);
    return stopReason === "canceled" || stopReason === "maxDuration" ? stopReason : undefined;
  }

  /** The run's metadata, for when they are too large for a variable. */
  async metadata(): Promise<unknown> {
    const budget = { budgetMs: metadataBudgetMs, tryMs };
    const { metadata } = await retrying(budget, (ms) =>
      this.#call<MetadataAnswer>("GET", "/metadata", ms, undefined, metadataBytes),
    );
    return metadata;
  }

  /**
   * A presigned PUT for the output, and its key in the bucket. Not repeated here: the upload is, as a whole.
   */
  async outputUrl(size: number, type: string, timeoutMs: number): Promise<UploadAnswer> {
    const body: UploadBody = { podUid: this.#environment.podUid, size, type };
    const { url, key } = await this.#call<UploadAnswer>("POST", "/output", timeoutMs, body);
    if (typeof url !== "string" || typeof key !== "string") {
      throw new Error(`POST ${runnerApi}/attempt/output: the answer has no url and key`);
    }
    return { url, key };
  }

  async report(report: Report, budgetMs: number): Promise<void> {
    await retrying({ budgetMs, tryMs }, (ms) => this.#call("POST", "/report", ms, report));
  }

  /** The answer as JSON: what the API promises of it, not yet checked. */
  async #call<T extends object>(
    method: HttpRequest["method"],
    path: string,
    timeoutMs: number,
    body?: object,
    maxBytes = answerBytes,
  ): Promise<Partial<T>> {
    const { apiUrl, token } = this.#environment;
    const response = await httpRequest(`${apiUrl}${runnerApi}/attempt${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body ? { "content-type": "application/json" } : {}),
      },
      body: body && JSON.stringify(body),
      timeoutMs,
      maxBytes,
    });
    const { status, body: answer } = expectSuccess(`${method} ${runnerApi}/attempt${path}`, response);
    return status === 204 || answer.length === 0 ? {} : JSON.parse(answer.toString());
  }
}
