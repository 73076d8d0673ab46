/** Payload and output of a run: the value while it is small, above 512 KB the URL where it is. */
import { maxInlineDataBytes } from "@fairlead/protocol/limits";
import { parseExact } from "../../lib/exactJson.ts";
import { ownRef } from "../../model/keys/objectKey.ts";
import type { TaskRun } from "../../model/resources.ts";
import { isSuperJson, parseSuperJson } from "../../model/superJson.ts";
import type { NamespaceStore, Stores } from "../../storage/objectStore.ts";
import type { Links, Origin } from "../packets.ts";
import type { RunData } from "./wire/runObject.ts";

export interface DataDeps {
  store: Stores<"get" | "head">;
  links: Links;
}

export async function loadRunData(
  deps: DataDeps,
  origin: Origin,
  run: TaskRun,
  inlineBytes = maxInlineDataBytes,
): Promise<RunData> {
  const [payload, output] = await Promise.all([
    loadPayload(deps, origin, run, inlineBytes),
    loadOutput(deps, origin, run, inlineBytes),
  ]);
  return { ...payload, ...output };
}

async function loadPayload(
  deps: DataDeps,
  origin: Origin,
  { metadata, spec }: TaskRun,
  inlineBytes: number,
): Promise<RunData> {
  const { payload, payloadData, payloadType } = spec;
  const { namespace } = metadata;
  const payloadRef = ownRef(namespace, spec.payloadRef);
  const store = deps.store.of(namespace);
  if (payload !== undefined) return { payload };
  let read: Value | undefined;
  if (payloadData !== undefined) read = parse(payloadData, payloadType);
  else if (!payloadRef) return {};
  else if ((payloadRef.size ?? (await loadSize(store, payloadRef.key))) > inlineBytes) {
    return { payloadPresignedUrl: await deps.links.url(origin, "GET", { namespace, key: payloadRef.key }) };
  } else read = parseText(await readText(store, payloadRef.key, payloadType));
  return { payload: read?.value, payloadMeta: read?.meta };
}

const loadSize = async (store: Pick<NamespaceStore, "head">, key: string): Promise<number> =>
  (await store.head(key))?.size ?? 0;

async function loadOutput(
  deps: DataDeps,
  origin: Origin,
  { metadata, status }: TaskRun,
  inlineBytes: number,
): Promise<RunData> {
  const { output } = status ?? {};
  // Whoever may write the status may have written it.
  const { namespace } = metadata;
  const outputRef = ownRef(namespace, status?.outputRef);
  // The copy in the status has lost its types.
  if (!outputRef || (output !== undefined && !isSuperJson(outputRef.type))) return { output };
  if (outputRef.size > inlineBytes) {
    return { outputPresignedUrl: await deps.links.url(origin, "GET", { namespace, key: outputRef.key }) };
  }
  const read = parseText(await readText(deps.store.of(namespace), outputRef.key, outputRef.type));
  return read ? { output: read.value, outputMeta: read.meta } : { output };
}

/** An output as the text that it was stored as; undefined: none. */
export async function loadOutputText(
  deps: { store: Stores<"get"> },
  { metadata, status }: TaskRun,
): Promise<Text | undefined> {
  const output = status?.output;
  const outputRef = ownRef(metadata.namespace, status?.outputRef);
  if (outputRef && (output === undefined || isSuperJson(outputRef.type))) {
    const read = await readText(deps.store.of(metadata.namespace), outputRef.key, outputRef.type);
    if (read) return read;
  }
  return output === undefined ? undefined : { text: JSON.stringify(output), type: "application/json" };
}

interface Text {
  text: string;
  type: string;
}

/** `meta` restores types that JSON does not have, with superjson. */
interface Value {
  value: unknown;
  meta?: unknown;
}

async function readText(
  store: Pick<NamespaceStore, "get">,
  key: string,
  type: string | undefined,
): Promise<Text | undefined> {
  const object = await store.get(key, { maxBytes: maxInlineDataBytes });
  if (!object) return undefined;
  return { text: new TextDecoder().decode(object.body), type: type ?? object.type ?? "application/json" };
}

const parseText = (read: Text | undefined): Value | undefined => read && parse(read.text, read.type);

function parse(text: string, type = "application/json"): Value {
  if (!type.includes("json")) return { value: text };
  if (isSuperJson(type)) {
    const read = parseSuperJson(text);
    if (read) return { value: read.json, meta: read.meta };
  }
  try {
    return { value: parseExact(text) };
  } catch {
    return { value: text };
  }
}
