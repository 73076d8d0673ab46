/** What all commands share: the global options, and a connection to the API for as long as one works. */
import type { Command } from "commander";
import type { Api } from "./api.ts";
import { type ConnectionOptions, withApi } from "./connection.ts";
import { type Format, formatOf } from "./output.ts";

export interface GlobalOptions extends ConnectionOptions {
  output?: string;
}

interface Context<O> {
  options: O & GlobalOptions;
  format: Format;
  api: Api;
}

/**
 * An action of a command that calls the API. `work` gets the command's arguments, then the context.
 */
export function calling<A extends unknown[], O extends object = object>(
  work: (context: Context<O>, ...args: A) => Promise<void>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command;
    const options = command.optsWithGlobals<O & GlobalOptions>();
    const format = formatOf(options.output);
    await withApi(options, (api) => work({ options, format, api }, ...(given.slice(0, -2) as A)));
  };
}

/** An action that calls no API. */
export function local<A extends unknown[], O extends object = object>(
  work: (context: Omit<Context<O>, "api">, ...args: A) => Promise<void> | void,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command;
    const options = command.optsWithGlobals<O & GlobalOptions>();
    await work({ options, format: formatOf(options.output) }, ...(given.slice(0, -2) as A));
  };
}
