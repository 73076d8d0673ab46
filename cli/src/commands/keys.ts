/**
 * `fairlead keys`: the API's keys of a namespace, entries of a Secret of the release. Needs a kubeconfig that
 * may read and change that Secret. A key's value is shown once, when it is made.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { local } from "../command.ts";
import { CommandError, usageError } from "../errors.ts";
import {
  contextArgs,
  findRelease,
  type KubeOptions,
  keysSecret,
  namespaceOf,
  type Release,
  readKeys,
  type StoredKey,
} from "../kubeAccess.ts";
import { kubectl } from "../kubectl.ts";
import { type Column, printList, printResult } from "../output.ts";
import { print, say } from "../terminal.ts";

type Shown = Omit<StoredKey, "value">;

const columns: Column<Shown>[] = [
  { name: "NAME", of: (key) => key.name },
  { name: "NAMESPACE", of: (key) => key.namespace },
  { name: "SCOPES", of: (key) => key.scopes ?? "all" },
  { name: "UNTIL", of: (key) => key.notAfter },
];

export function addKeys(program: Command): void {
  const keys = program
    .command("keys")
    .description("keys of the API: create, list, revoke; needs a kubeconfig");
  keys
    .command("create")
    .description("prints the key, which is not shown again")
    .argument("<name>", "what it is for, such as backend")
    .option("--scopes <words>", "trigger, read, manage, or scopes of public tokens; all rights otherwise")
    .action(
      local<[string], { scopes?: string }>(async ({ options, format }, name) => {
        const { release, namespace } = await place(options);
        const entry = entryOf(namespace, name);
        if ((await readKeys(options, release)).has(entry))
          throw new CommandError(
            `${namespace} has a key ${name} already: give another name, or revoke it first`,
          );
        const key = `tr_prod_${randomBytes(32).toString("hex")}`;
        await patch(options, release, {
          stringData: { [entry]: key, ...(options.scopes && { [`${entry}.scopes`]: options.scopes }) },
        });
        printResult({ namespace, name, key }, format, () => print(key));
        say("It works within seconds. Keep it as TRIGGER_SECRET_KEY.");
      }),
    );
  keys
    .command("list")
    .description("names and rights, no values")
    .action(
      local(async ({ options, format }) => {
        const { release, namespace } = await place(options);
        const all = [...(await readKeys(options, release)).values()].filter(
          (key) => key.namespace === namespace,
        );
        const shown = all.map(({ value: _value, ...rest }) => rest);
        printList(
          shown,
          columns,
          format,
          `No key opens ${namespace}. Make one with: fairlead keys create NAME`,
        );
      }),
    );
  keys
    .command("revoke")
    .description("it stops working within seconds, or at a time")
    .argument("<name>")
    .option(
      "--at <time>",
      "with its zone, such as 2027-01-31T00:00:00Z: until then a new key and this one both work",
    )
    .action(
      local<[string], { at?: string }>(async ({ options }, name) => {
        const { release, namespace } = await place(options);
        const entry = entryOf(namespace, name);
        if (!(await readKeys(options, release)).has(entry))
          throw new CommandError(`${namespace} has no key ${name}; see fairlead keys list`);
        if (options.at !== undefined) {
          if (
            !/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(options.at) ||
            Number.isNaN(Date.parse(options.at))
          )
            throw usageError(`--at: "${options.at}" is no time with its zone`);
          await patch(options, release, {
            stringData: { [`${entry}.notAfter`]: new Date(options.at).toISOString() },
          });
          return print(`${name} ends at ${options.at}`);
        }
        await patch(options, release, {
          data: { [entry]: null, [`${entry}.scopes`]: null, [`${entry}.notAfter`]: null },
        });
        print(`${name} revoked`);
      }),
    );
}

async function place(options: KubeOptions): Promise<{ release: Release; namespace: string }> {
  const [release, namespace] = await Promise.all([findRelease(options), namespaceOf(options)]);
  return { release, namespace };
}

function entryOf(namespace: string, name: string): string {
  if (/^[A-Za-z0-9_-]{1,63}$/.test(name)) return `${namespace}.${name}`;
  throw usageError(`name: "${name}" must have 1 to 63 letters, digits, _ and -`);
}

/** By a file: every user of the machine can read arguments, and a child's standard input has no path. */
async function patch(options: KubeOptions, release: Release, change: object): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-key-"));
  try {
    const file = join(folder, "patch.json");
    writeFileSync(file, JSON.stringify(change), { mode: 0o600 });
    const where = [...contextArgs(options), "--namespace", release.namespace];
    await kubectl([
      "patch",
      "secret",
      keysSecret(release),
      ...where,
      "--type",
      "merge",
      "--patch-file",
      file,
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
