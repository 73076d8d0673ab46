/**
 * Checks a payload with a schema of whichever library: the Standard Schema interface first, then the methods
 * that libraries had before it.
 */

/** What libraries agree on (Zod, Valibot, ArkType and others). */
export interface StandardSchema<TIn = unknown, TOut = TIn> {
  readonly "~standard": {
    readonly validate: (value: unknown) => Validated<TOut> | Promise<Validated<TOut>>;
    readonly types?: { readonly input: TIn; readonly output: TOut } | undefined;
  };
}

type Validated<TOut> =
  | { readonly value: TOut; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The payload does not match the task's schema. Another attempt would fail in the same way. */
export class TaskPayloadParsedError extends Error {
  override readonly name = "TaskPayloadParsedError";
}

type Parse = (value: unknown) => unknown;
const methods = ["parseAsync", "parse", "validateSync", "create", "assert"] as const;

/** Returns what the schema makes of a value, and throws when it does not match. */
export function parserOf(schema: unknown): Parse | undefined {
  const standard = (schema as Partial<StandardSchema> | undefined)?.["~standard"];
  if (standard) return (value) => validated(standard, value);
  if (typeof schema === "function") return schema as Parse;
  const object = schema as Record<(typeof methods)[number], Parse | undefined> | undefined;
  const method = methods.find((name) => typeof object?.[name] === "function");
  if (method === undefined) return undefined;
  return async (value) => {
    const parsed = await object?.[method]?.(value);
    return method === "assert" ? (parsed ?? value) : parsed;
  };
}

async function validated(standard: StandardSchema["~standard"], value: unknown): Promise<unknown> {
  const result = await standard.validate(value);
  if (!result.issues) return result.value;
  throw new TaskPayloadParsedError(result.issues.map(sentence).join("; "));
}

function sentence({ message, path = [] }: Issue): string {
  const parts = path.map((part) => String(typeof part === "object" ? part.key : part));
  return parts.length > 0 ? `${parts.join(".")}: ${message}` : message;
}
