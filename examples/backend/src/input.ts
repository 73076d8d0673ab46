/** What users send: a form's fields or JSON, checked before anything is triggered. */

const maxNameLength = 100;
const maxNames = 50;

/** Refused with 400; the message begins with the field's name. */
export class InputError extends Error {
  override readonly name = "InputError";
  readonly status = 400;

  constructor(field: string, problem: string) {
    super(`${field}: ${problem}`);
  }
}

export function readName(body: unknown): string {
  return checkedName("name", fieldOf(body, "name"));
}

/** A list, or one text with a name on each line. */
export function readNames(body: unknown): string[] {
  const value = fieldOf(body, "names");
  const names = typeof value === "string" ? value.split("\n").filter((line) => line.trim() !== "") : value;
  if (!Array.isArray(names) || names.length === 0 || names.length > maxNames) {
    throw new InputError("names", `1 to ${maxNames} names are needed`);
  }
  return names.map((name, index) => checkedName(`names[${index}]`, name));
}

function checkedName(field: string, value: unknown): string {
  const name = typeof value === "string" ? value.trim() : "";
  if (name === "") throw new InputError(field, "a name is needed");
  if (name.length > maxNameLength) {
    throw new InputError(field, `${name.length} characters, at most ${maxNameLength} are allowed`);
  }
  return name;
}

const fieldOf = (body: unknown, field: string): unknown =>
  (body as Record<string, unknown> | null | undefined)?.[field];
