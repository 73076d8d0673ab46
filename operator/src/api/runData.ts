/** Payload and output of a run: the value while it is small, above 512 KB the URL where it is. */
import type { Request } from "express";
import type { OutputRef, TaskRun } from "../model/resources.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import type { Links } from "./packets.ts";
import type { RunData } from "./wire/runObject.ts";

export interface DataDeps {
  store: Pick<ObjectStore, "get">;
  links: Links;
}

const inlineLimit = 512 * 1024;

export async function dataOf(deps: DataDeps, request: Request, run: TaskRun): Promise<RunData> {
  const [payload, output] = await Promise.all([payloadOf(deps, request, run), outputOf(deps, request, run)]);
  return { ...payload, ...output };
}

async function payloadOf(deps: DataDeps, request: Request, { spec }: TaskRun): Promise<RunData> {
  const { payload, payloadData, payloadType, payloadRef } = spec;
  if (payload !== undefined) return { payload };
  if (payloadData !== undefined) return { payload: parse(payloadData, payloadType) };
  if (!payloadRef) return {};
  if ((payloadRef.size ?? 0) > inlineLimit) {
    return { payloadPresignedUrl: await deps.links.url(request, "GET", payloadRef.key) };
  }
  return { payload: await read(deps, payloadRef.key, payloadType) };
}

async function outputOf(deps: DataDeps, request: Request, { status }: TaskRun): Promise<RunData> {
  const { output, outputRef } = status ?? {};
  if (output === undefined && outputRef && outputRef.size > inlineLimit) {
    return { outputPresignedUrl: await deps.links.url(request, "GET", outputRef.key) };
  }
  return { output: await outputValue(deps, output, outputRef) };
}

/** The copy in the status, else what is in the bucket. */
export async function outputValue(
  deps: Pick<DataDeps, "store">,
  copy: unknown,
  ref: OutputRef | undefined,
): Promise<unknown> {
  if (copy !== undefined || !ref) return copy;
  return read(deps, ref.key, ref.type);
}

async function read(
  { store }: Pick<DataDeps, "store">,
  key: string,
  type: string | undefined,
): Promise<unknown> {
  const object = await store.get(key, { maxBytes: 100 * 1024 * 1024 });
  return object && parse(new TextDecoder().decode(object.body), type ?? object.type);
}

/** As JSON, whatever it was made with: types that JSON does not have are told as JSON tells them. */
function parse(text: string, type = "application/json"): unknown {
  if (!type.includes("json")) return text;
  try {
    const value = JSON.parse(text) as unknown;
    const isSuper =
      type.includes("super+json") && typeof value === "object" && value !== null && "json" in value;
    return isSuper ? value.json : value;
  } catch {
    return text;
  }
}
