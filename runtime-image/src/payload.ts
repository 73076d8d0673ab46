/** The run's payload: in the API's answer when it is small, else behind a presigned URL. */
import { maxPayloadBytes } from "@fairlead/protocol/limits";
import type { StartAnswer } from "@fairlead/protocol/runnerApi";
import type { TaskMetadata } from "@fairlead/sdk/slots";
import { parseJson } from "./exactJson.ts";
import { Failure } from "./failure.ts";
import { AnswerTooLarge, expectSuccess, httpRequest, Refused, retrying } from "./http.ts";
import { warn } from "./stdio.ts";

const budgetMs = 30_000;
const tryMs = 15_000;

/** Undefined when the run has no payload. */
export async function readPayload(payload: StartAnswer["payload"]): Promise<unknown> {
  if (!payload) return undefined;
  return parsePayload("text" in payload ? payload.text : await download(payload.url), payload.type);
}

async function parsePayload(text: string, mediaType: string): Promise<unknown> {
  const type = mediaType.split(";", 1)[0]?.trim().toLowerCase();
  if (type === "text/plain") return text;
  const isSuper = type === "application/super+json";
  if (type !== "application/json" && !isSuper) {
    const message = `payload: ${mediaType} is not a type that a task reads; it reads application/json, application/super+json and text/plain`;
    throw new Failure("PAYLOAD_ERROR", message);
  }
  if (text.startsWith("\ufeff")) {
    const message = `payload: begins with a byte order mark, which ${type} has not; send it without`;
    throw new Failure("PAYLOAD_ERROR", message);
  }
  try {
    if (!isSuper) return parse(text);
    // Dates, Maps, BigInts: what a client sends that has them. Others do not wait for this to load.
    return (await import("@fairlead/sdk/superJson/decode")).parseSuperJson(text, parse);
  } catch (error) {
    const message = `payload: not valid ${type}: ${(error as Error).message}`;
    throw new Failure("PAYLOAD_ERROR", message);
  }
}

/** Numbers that JavaScript cannot hold are named in the log. */
function parse(text: string): unknown {
  const { value, changes } = parseJson(text, "payload");
  for (const change of changes) warn(change);
  return value;
}

class NotUtf8 extends Error {}

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
    // Read all the same, it would have U+FFFD in place of what it has.
    if (!process.getBuiltinModule("node:buffer").isUtf8(response.body)) throw new NotUtf8("it is not UTF-8");
    return response.body.toString("utf8");
  } catch (error) {
    const message = `payload: could not be read from object storage: ${(error as Error).message}`;
    const isMissing = error instanceof Refused && error.status === 404;
    throw new Failure("PAYLOAD_ERROR", message, {
      retryable: !isMissing && !(error instanceof AnswerTooLarge || error instanceof NotUtf8),
      cause: error,
    });
  }
}

/** The payload as the task is written for: what its schema makes of it; of a scheduled task, with dates. */
export async function parsed(task: TaskMetadata, payload: unknown): Promise<unknown> {
  const { parsePayload } = task.fns;
  if (!parsePayload) return task.triggerSource === "schedule" ? withDates(payload) : payload;
  try {
    return await parsePayload(payload);
  } catch (error) {
    const { message = String(error) } = error as Partial<Error>;
    throw new Failure("PAYLOAD_ERROR", `payload: does not match the task's schema: ${message}`, {
      cause: error,
    });
  }
}

/** A tick is JSON, so that people can read it in the TaskRun; in Trigger.dev its times are dates. */
function withDates(payload: unknown): unknown {
  if (typeof payload !== "object" || payload === null) return payload;
  const tick = payload as Record<string, unknown>;
  const { timestamp, lastTimestamp, upcoming } = tick;
  return {
    ...tick,
    ...(timestamp === undefined ? {} : { timestamp: dateOf(timestamp) }),
    ...(lastTimestamp === undefined ? {} : { lastTimestamp: dateOf(lastTimestamp) }),
    ...(Array.isArray(upcoming) ? { upcoming: upcoming.map(dateOf) } : {}),
  };
}

function dateOf(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? value : date;
}
