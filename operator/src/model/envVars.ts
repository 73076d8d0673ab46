/**
 * The environment variables of a namespace: one Secret, whose keys are their names. Its runs get them all,
 * below what their Task or TaskRun sets itself. An annotation names those whose values the API never shows.
 */
import { reservedPrefix } from "@fairlead/protocol/env";
import { redactedVariablesAnnotation } from "@fairlead/protocol/labels";

/** Name of the Secret, in every namespace. */
export const envSecretName = "fairlead-env";

export interface EnvVar {
  name: string;
  value: string;
  /** Its value is never shown again. */
  isSecret: boolean;
}

const nameLimit = 256;
export const variablesLimit = 1_000;
/** In bytes. Linux takes at most twice as many in one variable. */
const valueLimit = 64 * 1024;
/** All together; a Secret holds 1 MiB, and so much has to fit beside the arguments of a process. */
const totalLimit = 512 * 1024;

/** What is wrong with a variable; undefined when nothing is. */
export function envVarProblem(name: string, value: string): string | undefined {
  const short = name.slice(0, 80);
  if (name.length > nameLimit || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || name === "__proto__") {
    return `name: "${short}" is not a variable's name; it must have up to ${nameLimit} letters, digits and _, no digit first`;
  }
  if (name.startsWith(reservedPrefix))
    return `${short}: names that begin with ${reservedPrefix} are Fairlead's own; choose another`;
  if (isOfTheRuntime(name))
    return `${short}: decides how programs run, which a key of the API must not; set it in the Task's podTemplate.env`;
  if (value.includes("\0")) return `${short}: the value has a NUL character; remove it`;
  const bytes = Buffer.byteLength(value);
  if (bytes > valueLimit) return `${short}: the value has ${bytes} bytes, at most ${valueLimit} are allowed`;
  return undefined;
}

/**
 * Names that make a program load other code, or send its requests elsewhere: who may set them runs code in
 * every Task's pod. Compared in upper case, since proxies are read in both.
 */
const runtimeNames =
  /^(NODE_(?!ENV$).*|NPM_.*|UV_.*|LD_.*|DYLD_.*|GCONV_PATH|GLIBC_.*|MALLOC_.*|PATH|HOME|SHELL|ENV|BASH_.*|IFS|PS4|PYTHON.*|PERL.*|RUBY.*|JAVA_.*|_JAVA_OPTIONS|JDK_.*|CLASSPATH|GIT_.*|(HTTP|HTTPS|ALL|NO)_PROXY|SSL_CERT_.*|SSLKEYLOGFILE|OPENSSL_.*|CURL_.*|REQUESTS_CA_BUNDLE|AWS_CA_BUNDLE|RES_OPTIONS|HOSTALIASES|LOCALDOMAIN|KUBERNETES_.*)$/;

const isOfTheRuntime = (name: string): boolean => runtimeNames.test(name.toUpperCase());

/** What is wrong with all of them together. */
export function envVarsProblem(variables: readonly EnvVar[]): string | undefined {
  if (variables.length > variablesLimit) {
    return `variables: there would be ${variables.length} variables, at most ${variablesLimit} are allowed`;
  }
  const bytes = variables.reduce((sum, { name, value }) => sum + name.length + Buffer.byteLength(value), 0);
  return bytes > totalLimit
    ? `variables: all together would have ${bytes} bytes, at most ${totalLimit} are allowed`
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
