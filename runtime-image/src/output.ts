/**
 * What `run` returned, as JSON; a string too. Values that JSON does not have (Date, Map, BigInt, undefined in
 * an object, a reference back …) go as superjson, which is loaded only for them. Returning undefined means no
 * output.
 */
import { maxOutputBytes } from "@fairlead/protocol/limits";
import { isPlainJson } from "@fairlead/sdk/plainJson";
import { Failure } from "./failure.ts";

const jsonType = "application/json";
const superJsonType = "application/super+json";

export interface SerializedOutput {
  bytes: Buffer;
  type: string;
}

const pathShown = 200;
/** A getter may return a new object each time, for ever. */
const maxDepth = 100_000;

export async function serializeOutput(value: unknown): Promise<SerializedOutput | undefined> {
  if (value === undefined) return undefined;
  if (typeof value === "function" || typeof value === "symbol")
    throw notSerializable(`output is a ${typeof value}`);
  let text: string | undefined;
  let type = jsonType;
  try {
    const whole = isPlainJson(value) ? undefined : (await import("superjson")).serialize(value);
    if (whole?.meta) type = superJsonType;
    text = JSON.stringify(whole?.meta ? whole : value);
  } catch (error) {
    if (error instanceof RangeError && error.message.includes("string length"))
      throw tooLarge("more than 512 MB");
    const problem = error instanceof RangeError ? "it is nested too deeply" : String(error);
    throw notSerializable(findProblem(value) ?? problem);
  }
  if (text === undefined) return undefined;
  const bytes = Buffer.byteLength(text);
  if (bytes > maxOutputBytes) throw tooLarge(`${bytes} bytes`);
  return { bytes: Buffer.from(text), type };
}

const notSerializable = (problem: string): Failure =>
  new Failure("OUTPUT_NOT_SERIALIZABLE", `output: cannot be stored as JSON: ${problem}`);

export const tooLarge = (size: string): Failure =>
  new Failure(
    "OUTPUT_TOO_LARGE",
    `output: ${size}, at most ${maxOutputBytes} (100 MB) are allowed; write it to storage of your own and return where it is`,
  );

interface Frame {
  value: object;
  path: string;
  children: Iterator<[path: string, value: unknown]>;
  /** Below a toJSON(), whose answer superjson does not look at. */
  hidden: boolean;
}

/** Where JSON.stringify stops, and why. Keeps its own stack, since the depth may be the problem. */
function findProblem(root: unknown): string | undefined {
  const frames: Frame[] = [];
  const open = new Map<object, string>();
  let next: [string, unknown] | undefined = ["output", root];
  while (next || frames.length > 0) {
    if (!next) {
      const frame = frames.at(-1) as Frame;
      let step: IteratorResult<[string, unknown]>;
      try {
        step = frame.children.next();
      } catch (error) {
        return `reading ${short(frame.path)} throws ${error}`;
      }
      if (step.done) {
        frames.pop();
        open.delete(frame.value);
        continue;
      }
      next = step.value;
    }
    const [path, given] = next;
    next = undefined;
    let value: unknown;
    try {
      value = replaced(given);
    } catch (error) {
      return `${short(path)}.toJSON() throws ${error}`;
    }
    const hidden = frames.at(-1)?.hidden || value !== given;
    if (typeof value === "bigint" && hidden)
      return `${short(path)} is a BigInt (make it a string or a number)`;
    if (typeof value !== "object" || value === null) continue;
    const above = open.get(value);
    if (above !== undefined) {
      if (hidden) return `${short(path)} refers back to ${short(above)}`;
      continue;
    }
    open.set(value, path);
    frames.push({ value, path, children: children(value, path), hidden });
    if (frames.length > maxDepth) return `${short(path)} is nested too deeply`;
  }
  return undefined;
}

const replaced = (value: unknown): unknown =>
  typeof (value as { toJSON?: unknown } | null)?.toJSON === "function"
    ? (value as { toJSON: () => unknown }).toJSON()
    : value;

function* children(value: object, path: string): Generator<[string, unknown]> {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) yield [`${path}[${i}]`, value[i]];
    return;
  }
  for (const key of Object.keys(value)) {
    const step = /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    yield [path + step, (value as Record<string, unknown>)[key]];
  }
}

const short = (path: string): string => (path.length <= pathShown ? path : `${path.slice(0, pathShown)}…`);
