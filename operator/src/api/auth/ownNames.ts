/**
 * Names that callers choose: idempotency and debounce keys, ids of requests, paths of uploads. Those of a
 * namespace's keys are one space. Each public token has a space of its own: its holder gets by no guess at
 * what others made, and cannot take a name before them.
 */
import { digest } from "../../model/keys/names.ts";
import type { Caller } from "../http/caller.ts";

type Owner = Pick<Caller, "tokenHash">;

export const ownName = ({ tokenHash }: Owner, name: string): string =>
  tokenHash === undefined ? name : digest("token", tokenHash, name);

/** No path of a client begins with a tilde. */
export const ownFolder = ({ tokenHash }: Owner): string =>
  tokenHash === undefined ? "" : `~${tokenHash.slice(0, 32)}/`;

interface NamingOptions {
  idempotencyKey?: string;
  idempotencyKeyOptions?: { key?: string; scope?: string };
  debounce?: { key: string };
}

/** The options with the caller's own keys; what is shown of a run is the key as it was sent. */
export function withOwnKeys<O extends NamingOptions>(caller: Owner, options: O): O {
  const { idempotencyKey: key, idempotencyKeyOptions: shown, debounce } = options;
  if (caller.tokenHash === undefined) return options;
  const named =
    key === undefined
      ? {}
      : { idempotencyKey: ownName(caller, key), idempotencyKeyOptions: { key, ...shown } };
  const debounced = debounce && { debounce: { ...debounce, key: ownName(caller, debounce.key) } };
  return { ...options, ...named, ...debounced };
}
