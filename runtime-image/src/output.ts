/**
 * What `run` returned, as JSON. Strings are JSON too: one media type, whatever a task returns, so that the run's
 * status can show a copy and a client needs no second way to read. Undefined is no output at all.
 */
import { Failure } from "./failure.ts";

export const outputType = "application/json";
/** As in operator/src/model/report.ts; failure and output tests compare them. */
export const outputLimit = 100 * 1024 * 1024;
export const outputCopyLimit = 8 * 1024;

const pathShown = 200;
/** Getters may go on for ever. */
const deepest = 100_000;

export function serializeOutput(value: unknown): Buffer | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "function" || typeof value === "symbol")
    throw notSerializable(`output is a ${typeof value}`);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError && error.message.includes("string length"))
      throw tooLarge("more than 512 MB");
    const problem = error instanceof RangeError ? "it is nested too deeply" : String(error);
    throw notSerializable(findProblem(value) ?? problem);
  }
  if (text === undefined) return undefined;
  const bytes = Buffer.byteLength(text);
  if (bytes > outputLimit) throw tooLarge(`${bytes} bytes`);
  return Buffer.from(text);
}

const notSerializable = (problem: string): Failure =>
  new Failure("OUTPUT_NOT_SERIALIZABLE", `What run returned cannot be stored as JSON: ${problem}.`);

export const tooLarge = (size: string): Failure =>
  new Failure(
    "OUTPUT_TOO_LARGE",
    `The output has ${size}, at most ${outputLimit} (100 MB) are allowed: write it to storage of your own and return where it is.`,
  );

interface Frame {
  value: object;
  path: string;
  children: Iterator<[path: string, value: unknown]>;
}

/** Walks the value as JSON.stringify does and says where it stopped; on a stack of its own, depth may be the problem. */
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
    if (typeof value === "bigint") return `${short(path)} is a BigInt (make it a string or a number)`;
    if (typeof value !== "object" || value === null) continue;
    const above = open.get(value);
    if (above !== undefined) return `${short(path)} refers back to ${short(above)}`;
    open.set(value, path);
    frames.push({ value, path, children: children(value, path) });
    if (frames.length > deepest) return `${short(path)} is nested too deeply`;
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
