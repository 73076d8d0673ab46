/** The run's payload: in a variable when it is small, else behind a presigned URL. */
import { maxPayloadBytes } from "@fairlead/protocol/limits";
import type { Environment } from "./environment.ts";
import { Failure } from "./failure.ts";
import { AnswerTooLarge, expectSuccess, httpRequest, Refused, retrying } from "./http.ts";

const budgetMs = 30_000;
const tryMs = 15_000;

type Source = Pick<Environment, "payload" | "payloadType" | "payloadUrl">;

/** Undefined when the run has no payload. */
export async function readPayload(source: Source): Promise<unknown> {
  const text = source.payload ?? (source.payloadUrl ? await download(source.payloadUrl) : undefined);
  return text === undefined ? undefined : parsePayload(text, source.payloadType);
}

async function parsePayload(text: string, mediaType: string): Promise<unknown> {
  const type = mediaType.split(";", 1)[0]?.trim().toLowerCase();
  if (type === "text/plain") return text;
  const isSuper = type === "application/super+json";
  if (type !== "application/json" && !isSuper) {
    const message = `payload: ${mediaType} is not a type that a task reads; it reads application/json, application/super+json and text/plain`;
    throw new Failure("PAYLOAD_ERROR", message);
  }
  try {
    // Dates, Maps, BigInts: what a client sends that has them. Others do not wait for this to load.
    return isSuper ? (await import("superjson")).parse(text) : JSON.parse(text);
  } catch (error) {
    const message = `payload: not valid ${type}: ${(error as Error).message}`;
    throw new Failure("PAYLOAD_ERROR", message);
  }
}

/**
 * A new attempt gets a new URL and may find the bucket up again; only a payload that is too large stays so.
 */
async function download(url: string): Promise<string> {
  try {
    const response = await retrying({ budgetMs, tryMs }, async (timeoutMs) =>
      expectSuccess(
        "GET payload",
        await httpRequest(url, { method: "GET", timeoutMs, maxBytes: maxPayloadBytes }),
      ),
    );
    return response.body.toString("utf8");
  } catch (error) {
    const message = `payload: could not be read from object storage: ${(error as Error).message}`;
    const isMissing = error instanceof Refused && error.status === 404;
    throw new Failure("PAYLOAD_ERROR", message, {
      retryable: !isMissing && !(error instanceof AnswerTooLarge),
      cause: error,
    });
  }
}
