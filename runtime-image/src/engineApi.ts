/**
 * The API's runner endpoints, `/engine/v1`. None is waited for before user code runs, and a run settles without
 * any of them: the termination message says the same.
 */
import type { Report } from "../../operator/src/model/run/report.ts";
import type { StopReason } from "../../sdk/src/context.ts";
import type { Environment } from "./environment.ts";
import { expectSuccess, type HttpRequest, httpRequest, retrying } from "./http.ts";

const answerBytes = 64 * 1024;
const tryMs = 5000;
const startBudgetMs = 5000;

export class EngineApi {
  readonly #environment: Pick<Environment, "apiUrl" | "token" | "podUid">;

  constructor(environment: Pick<Environment, "apiUrl" | "token" | "podUid">) {
    this.#environment = environment;
  }

  async start(startedAt: string): Promise<void> {
    const body = { podUid: this.#environment.podUid, startedAt };
    await retrying({ budgetMs: startBudgetMs, tryMs }, (ms) => this.#call("POST", "/start", ms, body));
  }

  /** Why the pod is being stopped; asked once, within the time limit. */
  async stopReason(timeoutMs: number): Promise<StopReason["type"] | undefined> {
    const answer = (await this.#call("GET", "", timeoutMs)) as { stopReason?: unknown };
    const reason = answer.stopReason;
    return reason === "canceled" || reason === "maxDuration" ? reason : undefined;
  }

  /** A presigned PUT for the output, and its key in the bucket. Not repeated here: the upload is, as a whole. */
  async outputUrl(size: number, type: string, timeoutMs: number): Promise<{ url: string; key: string }> {
    const body = { podUid: this.#environment.podUid, size, type };
    const { url, key } = (await this.#call("POST", "/output", timeoutMs, body)) as Record<string, unknown>;
    if (typeof url !== "string" || typeof key !== "string") {
      throw new Error("POST /engine/v1/attempt/output: the answer has no url and key");
    }
    return { url, key };
  }

  async report(report: Report, budgetMs: number): Promise<void> {
    await retrying({ budgetMs, tryMs }, (ms) => this.#call("POST", "/report", ms, report));
  }

  async #call(
    method: HttpRequest["method"],
    path: string,
    timeoutMs: number,
    body?: object,
  ): Promise<unknown> {
    const { apiUrl, token } = this.#environment;
    const response = await httpRequest(`${apiUrl}/engine/v1/attempt${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body ? { "content-type": "application/json" } : {}),
      },
      body: body && JSON.stringify(body),
      timeoutMs,
      maxBytes: answerBytes,
    });
    const { status, body: answer } = expectSuccess(`${method} /engine/v1/attempt${path}`, response);
    return status === 204 || answer.length === 0 ? {} : JSON.parse(answer.toString());
  }
}
