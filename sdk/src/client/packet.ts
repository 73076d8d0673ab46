/**
 * Payloads and outputs as they are sent: plain JSON as JSON, a string as text, and values that JSON does not
 * have (Date, Map, Set, BigInt, undefined …) as superjson. A payload of 128 KiB or more is uploaded to object
 * storage first.
 */
import { maxPayloadBytes } from "@fairlead/protocol/limits";
import { InvalidOptionError } from "../errors.ts";
import { jsonType, NotEncodableError, type Serialized, serialize, TooLargeError } from "../serialize.ts";
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
  if (typeof payload === "string" && payload.isWellFormed())
    return packet(payload, payload, "text/plain", options);
  const serialized = await trySerialize(payload);
  return serialized ? packet(serialized.text, serialized.json, serialized.type, options) : {};
}

async function packet(text: string, json: unknown, type: string, options: RequestOptions): Promise<Packet> {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxPayloadBytes) throw tooLarge(`${bytes} bytes`);
  if (bytes >= offloadBytes)
    return { payload: await upload(text, type, options), payloadType: "application/store" };
  return { payload: type === jsonType ? json : text, payloadType: type };
}

/** Half a surrogate pair is no text in UTF-8: JSON has an escape for it. */
async function trySerialize(payload: unknown): Promise<Serialized | undefined> {
  try {
    return await serialize(payload, "payload", maxPayloadBytes);
  } catch (error) {
    if (error instanceof NotEncodableError) throw new InvalidOptionError(error.path, error.problem);
    if (error instanceof TooLargeError) throw tooLarge(`more than ${maxPayloadBytes} bytes`);
    throw error;
  }
}

const tooLarge = (size: string): InvalidOptionError =>
  new InvalidOptionError(
    "payload",
    `${size}, at most ${maxPayloadBytes} (10 MB) are allowed; put it into storage of your own and pass where it is`,
  );

/** The value with the types that JSON does not have. What has an unknown one stays as JSON has it. */
export async function restored(json: unknown, meta: unknown): Promise<unknown> {
  if (meta === undefined) return json;
  const { decode } = await import("../superJson/decode.ts");
  try {
    return decode(json, meta);
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
