/**
 * The environment variables of a namespace: one Secret, whose keys are their names. Its runs get them all, below what
 * their Task or TaskRun sets itself. An annotation names those whose values the API never tells.
 */
import { reservedPrefix } from "@fairlead/protocol/env";
import { redactedVariablesAnnotation } from "@fairlead/protocol/labels";

/** Name of the Secret, in every namespace. */
export const envSecretName = "fairlead-env";

export interface EnvVar {
  name: string;
  value: string;
  /** Its value is not told again. */
  isSecret: boolean;
}

const nameLimit = 256;
export const variablesLimit = 1_000;
/** Linux takes no longer one. */
const valueLimit = 64 * 1024;
/** All together; a Secret holds 1 MiB, and so much has to fit beside the arguments of a process. */
const totalLimit = 512 * 1024;

/** Why a variable cannot be; undefined when it can. */
export function envVarProblem(name: string, value: string): string | undefined {
  const short = name.slice(0, 80);
  if (name.length > nameLimit || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || name === "__proto__") {
    return `"${short}" is no name of a variable: letters, digits and _, no digit first, at most ${nameLimit}`;
  }
  if (name.startsWith(reservedPrefix)) return `${short}: names with ${reservedPrefix} are Fairlead's own`;
  if (value.includes("\0")) return `${short}: its value has a NUL character`;
  const bytes = Buffer.byteLength(value);
  if (bytes > valueLimit) return `${short}: its value has ${bytes} bytes, at most ${valueLimit} are allowed`;
  return undefined;
}

/** Why they cannot be together. */
export function envVarsProblem(variables: readonly EnvVar[]): string | undefined {
  if (variables.length > variablesLimit) {
    return `there would be ${variables.length} variables, at most ${variablesLimit} are allowed`;
  }
  const bytes = variables.reduce((sum, { name, value }) => sum + name.length + Buffer.byteLength(value), 0);
  return bytes > totalLimit
    ? `all variables would have ${bytes} bytes, at most ${totalLimit} are allowed`
    : undefined;
}

interface EnvSecret {
  metadata?: { annotations?: Record<string, string> };
  data?: Record<string, string>;
}

/** Sorted by name. */
export function envVarsOf(secret: EnvSecret | undefined): EnvVar[] {
  const redacted = new Set((secret?.metadata?.annotations?.[redactedVariablesAnnotation] ?? "").split(","));
  return Object.entries(secret?.data ?? {})
    .map(([name, data]) => {
      return { name, value: Buffer.from(data, "base64").toString("utf8"), isSecret: redacted.has(name) };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What makes the Secret hold these variables and no others, as a merge patch. */
export function envPatch(
  secret: EnvSecret,
  variables: readonly EnvVar[],
): Required<Pick<EnvSecret, "metadata">> & { data: Record<string, string | null> } {
  const data: Record<string, string | null> = {};
  for (const name of Object.keys(secret.data ?? {})) data[name] = null;
  for (const { name, value } of variables) data[name] = Buffer.from(value).toString("base64");
  const redacted = variables.filter(({ isSecret }) => isSecret).map(({ name }) => name);
  return { metadata: { annotations: { [redactedVariablesAnnotation]: redacted.join(",") } }, data };
}
