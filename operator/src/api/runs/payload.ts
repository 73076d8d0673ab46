/**
 * Where the payload of a triggered run is kept: in its spec while it is short, else in the bucket, stored
 * before the run is created. Each time under a new key: a trigger that loses the race for a name must not
 * overwrite the winner's payload.
 */
import { createHash } from "node:crypto";
import { maxPayloadBytes, maxPayloadDataBytes } from "@fairlead/protocol/limits";
import { newName } from "../../model/ids.ts";
import type { TaskRun } from "../../model/resources.ts";
import { triggerPayloadKey } from "../../storage/layout.ts";
import type { Stores } from "../../storage/objectStore.ts";
import type { Caller } from "../http/caller.ts";
import { findPacket } from "../packets.ts";
import { payloadTooLarge, type WirePayload } from "./wire/triggerBody.ts";

type PayloadFields = Pick<TaskRun["spec"], "payloadData" | "payloadType" | "payloadRef">;

export async function storePayload(
  store: Stores<"copy" | "head" | "put">,
  caller: Caller,
  name: string,
  { text, type, storagePath }: WirePayload,
): Promise<PayloadFields> {
  const { namespace } = caller;
  if (storagePath !== undefined) {
    const packet = await findPacket(store, caller, storagePath);
    if (packet.size > maxPayloadBytes) throw payloadTooLarge(packet.size);
    // A copy for the run alone: the packet is removed after a day.
    const key = triggerPayloadKey(namespace, name, newName());
    await store.of(namespace).copy(packet.key, key);
    return { payloadRef: { key, size: packet.size }, payloadType: packet.type };
  }
  if (text === undefined) return {};
  if (Buffer.byteLength(text) <= maxPayloadDataBytes) return { payloadData: text, payloadType: type };
  const key = triggerPayloadKey(namespace, name, newName());
  await store.of(namespace).put(key, text, { type });
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { payloadRef: { key, size: Buffer.byteLength(text), sha256 }, payloadType: type };
}

/**
 * Deletes the payload that `unused` refers to, unless `kept`, the run as it is, has it. Only what the API
 * stored for this run: any other object may be used elsewhere.
 */
export async function dropPayload(
  store: Stores<"delete">,
  unused: PayloadFields,
  kept: TaskRun,
): Promise<void> {
  const { namespace, name } = kept.metadata;
  const key = unused.payloadRef?.key;
  const isOwn = key?.startsWith(triggerPayloadKey(namespace, name, ""));
  if (key !== undefined && isOwn && key !== kept.spec.payloadRef?.key) await store.of(namespace).delete(key);
}
