/** Public tokens: what a browser may have in place of the secret key. */
import { type RequestOptions, request } from "./request.ts";
import { type ClientSettings, withSettings } from "./settings.ts";

/** What a token allows, such as `{ read: { runs: ["run_…"] } }` or `{ read: { runs: true } }`. */
export type Scopes = Partial<
  Record<"read" | "write" | "trigger" | "batchTrigger", Record<string, string | string[] | true>>
>;

export const auth = {
  /** A token with these scopes. `expirationTime`: a duration, default `15m`. */
  async createPublicToken({
    scopes,
    expirationTime,
    ...options
  }: RequestOptions & { scopes: Scopes; expirationTime?: string }): Promise<string> {
    const body = { scopes: flat(scopes), expirationTime };
    return (
      await request<{ token: string }>({
        ...options,
        method: "POST",
        path: "/api/v1/auth/public-tokens",
        body,
      })
    ).body.token;
  },

  /** Calls `work` as somebody else. */
  withAuth: <T>(settings: ClientSettings, work: () => Promise<T>): Promise<T> => withSettings(settings, work),
};

function flat(scopes: Scopes): string[] {
  return Object.entries(scopes).flatMap(([verb, resources]) =>
    Object.entries(resources).flatMap(([resource, ids]) =>
      ids === true ? [`${verb}:${resource}`] : [ids].flat().map((id) => `${verb}:${resource}:${id}`),
    ),
  );
}
