/**
 * What `run` returned, as JSON; a string too. Values that JSON does not have (Date, Map, BigInt, undefined in
 * an object, a reference back …) go as superjson. What has neither form is refused with its path. Returning
 * undefined means no output.
 */
import { maxOutputBytes } from "@fairlead/protocol/limits";
import { NotEncodableError, type Serialized, serialize, TooLargeError } from "@fairlead/sdk/serialize";
import { Failure } from "./failure.ts";

export interface SerializedOutput {
  bytes: Buffer;
  type: string;
}

export async function serializeOutput(value: unknown): Promise<SerializedOutput | undefined> {
  let serialized: Serialized | undefined;
  try {
    serialized = await serialize(value, "output", maxOutputBytes);
  } catch (error) {
    if (error instanceof NotEncodableError) throw new Failure("OUTPUT_NOT_SERIALIZABLE", error.message);
    if (error instanceof TooLargeError) throw tooLarge(`more than ${maxOutputBytes} bytes`);
    throw error;
  }
  if (!serialized) return undefined;
  const bytes = Buffer.byteLength(serialized.text);
  if (bytes > maxOutputBytes) throw tooLarge(`${bytes} bytes`);
  return { bytes: Buffer.from(serialized.text), type: serialized.type };
}

export const tooLarge = (size: string): Failure =>
  new Failure(
    "OUTPUT_TOO_LARGE",
    `output: ${size}, at most ${maxOutputBytes} (100 MB) are allowed; write it to storage of your own and return where it is`,
  );
