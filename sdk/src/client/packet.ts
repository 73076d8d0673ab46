/**
 * Payloads and outputs as they are sent: plain JSON as JSON, a string as text, and values that JSON does not
 * have (Date, Map, Set, BigInt, undefined …) as superjson, which is loaded only for them. A payload of 128
 * KiB or more is uploaded to object storage first.
 */
import { maxPayloadBytes } from "@fairlead/protocol/limits";
import { InvalidOptionError } from "../errors.ts";
import { isPlainJson } from "../plainJson.ts";
import type { RequestOptions } from "../types.ts";
import { request } from "./request.ts";
import { sendToStore } from "./send.ts";

export interface Packet {
  payload?: unknown;
  payloadType?: string;
}

/** Payloads of this size and more are uploaded apart. */
const offloadBytes = 128 * 1024;

export async function packetOf(payload: unknown, options: RequestOptions = {}): Promise<Packet> {
  if (payload === undefined) return {};
  const { text, type } = await serialize(payload);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxPayloadBytes) {
    const problem = `${bytes} bytes, at most ${maxPayloadBytes} (10 MB) are allowed; put it into storage of your own and pass where it is`;
    throw new InvalidOptionError("payload", problem);
  }
  if (bytes >= offloadBytes)
    return { payload: await upload(text, type, options), payloadType: "application/store" };
  return type === "application/json" ? { payload, payloadType: type } : { payload: text, payloadType: type };
}

async function serialize(payload: unknown): Promise<{ text: string; type: string }> {
  if (typeof payload === "string") return { text: payload, type: "text/plain" };
  if (isPlainJson(payload)) return { text: JSON.stringify(payload), type: "application/json" };
  const superjson = await import("superjson");
  return { text: superjson.stringify(payload), type: "application/super+json" };
}

/** The value with the types that JSON does not have. Without them when superjson does not know one. */
export async function restored(json: unknown, meta: unknown): Promise<unknown> {
  if (meta === undefined) return json;
  const superjson = await import("superjson");
  try {
    return superjson.deserialize({ json, meta } as Parameters<typeof superjson.deserialize>[0]);
  } catch {
    return json;
  }
}

async function upload(text: string, type: string, options: RequestOptions): Promise<string> {
  const path = `trigger/packet_${crypto.randomUUID()}/payload.json`;
  const { body } = await request<{ presignedUrl: string; storagePath: string }>({
    ...options,
    method: "PUT",
    path: `/api/v2/packets/${path}`,
  });
  const put = { method: "PUT", headers: { "content-type": type }, body: text };
  await sendToStore(body.presignedUrl, put, "The payload could not be uploaded", options);
  return body.storagePath;
}
