/** Public tokens, for browsers in place of the secret key. */
import { anything, checkOptions, durationOrDate } from "../checks.ts";
import { InvalidOptionError } from "../errors.ts";
import type { RequestOptions } from "../types.ts";
import { request } from "./request.ts";
import { type ClientSettings, withSettings } from "./settings.ts";

/** What a token allows, such as `{ read: { runs: ["run_…"] } }` or `{ read: { runs: true } }`. */
export type Scopes = Partial<
  Record<"read" | "write" | "trigger" | "batchTrigger", Record<string, string | string[] | true>>
>;

export interface TokenOptions {
  /** When it expires: a duration from now, or a date. Default `15m`. */
  expirationTime?: string | Date;
}

export interface TriggerTokenOptions extends TokenOptions {
  /** Whether it may be used more than once. Default false. */
  multipleUse?: boolean;
}

export const auth = {
  /** A token with these scopes. */
  async createPublicToken(options: RequestOptions & TokenOptions & { scopes: Scopes }): Promise<string> {
    const { scopes, expirationTime, ...rest } = options ?? {};
    checkOptions(
      scopes,
      { read: anything, write: anything, trigger: anything, batchTrigger: anything },
      "scopes",
    );
    if (scopes === undefined || flat(scopes).length === 0) {
      const example = "{ scopes: { read: { runs: [id] } } }";
      throw new InvalidOptionError(
        "scopes",
        `there are none; give what the token allows, such as ${example}`,
      );
    }
    return token(scopes, { expirationTime }, rest);
  },

  /** A token that triggers one of these tasks once; used again, it returns the run that it created. */
  createTriggerPublicToken: (
    tasks: string | string[],
    { expirationTime, multipleUse = false, ...options }: RequestOptions & TriggerTokenOptions = {},
  ): Promise<string> => token({ trigger: { tasks } }, { expirationTime, oneTimeUse: !multipleUse }, options),

  /** The same for one batch of these tasks. */
  createBatchTriggerPublicToken: (
    tasks: string | string[],
    { expirationTime, multipleUse = false, ...options }: RequestOptions & TriggerTokenOptions = {},
  ): Promise<string> =>
    token({ batchTrigger: { tasks } }, { expirationTime, oneTimeUse: !multipleUse }, options),

  /** Calls `work` with another key or token. */
  withAuth: <T>(settings: ClientSettings, work: () => Promise<T>): Promise<T> => withSettings(settings, work),
};

async function token(
  scopes: Scopes,
  { expirationTime, oneTimeUse }: TokenOptions & { oneTimeUse?: boolean },
  options: RequestOptions,
): Promise<string> {
  checkOptions({ expirationTime }, { expirationTime: durationOrDate });
  const expires =
    expirationTime instanceof Date ? Math.floor(expirationTime.getTime() / 1000) : expirationTime;
  const body = { scopes: flat(scopes), expirationTime: expires, oneTimeUse };
  const call = { ...options, method: "POST", path: "/api/v1/auth/public-tokens", body } as const;
  return (await request<{ token: string }>(call)).body.token;
}

function flat(scopes: Scopes): string[] {
  return Object.entries(scopes).flatMap(([verb, resources]) =>
    Object.entries(resources ?? {}).flatMap(([resource, ids]) =>
      ids === true ? [`${verb}:${resource}`] : [ids].flat().map((id) => `${verb}:${resource}:${id}`),
    ),
  );
}
