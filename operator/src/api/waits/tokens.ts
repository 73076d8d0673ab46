/**
 * WaitTokens: found, created, completed. A token's name is derived from its key and a generation, which
 * counts how often the key became free, so that two callers with one key get one token.
 */
import { originLabel, purposeLabel } from "@fairlead/protocol/labels";
import { type KubeClient, KubeError } from "../../kube/client/client.ts";
import { newName } from "../../model/ids.ts";
import { defaultKeySeconds } from "../../model/keys/idempotency.ts";
import { generationsFrom, requestName } from "../../model/keys/names.ts";
import { WaitTokens } from "../../model/kinds.ts";
import { apiVersion, type WaitToken, type WaitTokenSpec } from "../../model/resources.ts";
import { isTokenSettled, keyExpiresAt } from "../../model/waitToken.ts";
import { Problem, refusal } from "../http/problem.ts";
import { keyTtlOf } from "../runs/wire/times.ts";

export interface TokenDeps {
  client: Pick<KubeClient, "create" | "get" | "patch">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

interface Keyed {
  idempotencyKey?: string;
  idempotencyKeyTTL?: string;
}

/** In the name of what a key belongs to: tokens and times have keys of their own. */
type Purpose = "token" | "duration";

const namePattern = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

export async function findToken(
  { client }: Pick<TokenDeps, "client">,
  namespace: string,
  name: string,
): Promise<WaitToken | undefined> {
  return namePattern.test(name) ? client.get(WaitTokens, namespace, name) : undefined;
}

export async function createToken(
  deps: TokenDeps,
  namespace: string,
  purpose: Purpose,
  wanted: Pick<WaitTokenSpec, "timeoutAt" | "tags"> & Keyed & { requestKey?: string },
): Promise<{ token: WaitToken; isCached: boolean }> {
  const { timeoutAt, tags, idempotencyKey, idempotencyKeyTTL, requestKey } = wanted;
  const spec: WaitTokenSpec = { timeoutAt, tags: tags?.length ? tags : undefined };
  if (idempotencyKey === undefined) {
    const name = requestKey ? requestName(namespace, "wait-token", requestKey) : newName();
    const { token } = await createNamed(deps, namespace, name, purpose, spec);
    return { token, isCached: false };
  }
  const seconds = keyTtlOf(idempotencyKeyTTL) ?? defaultKeySeconds;
  const keyed: WaitTokenSpec = {
    ...spec,
    idempotencyKey,
    idempotencyKeyExpiresAt: new Date(deps.clock() + seconds * 1000).toISOString(),
  };
  const nameOf = (generation: number) =>
    requestName(namespace, "wait-key", purpose, idempotencyKey, String(generation));
  for (const { name } of generationsFrom(0, nameOf)) {
    const { token, isNew } = await createNamed(deps, namespace, name, purpose, keyed);
    const expires = keyExpiresAt(token);
    if (isNew || expires === undefined || expires > deps.clock()) return { token, isCached: !isNew };
  }
  throw new Problem(409, "idempotencyKey: used too often: choose another key");
}

async function createNamed(
  { client }: TokenDeps,
  namespace: string,
  name: string,
  purpose: Purpose,
  spec: WaitTokenSpec,
): Promise<{ token: WaitToken; isNew: boolean }> {
  const labels = { [originLabel]: "api", ...(purpose === "duration" && { [purposeLabel]: purpose }) };
  const metadata = { name, namespace, labels };
  try {
    const token = await client.create(WaitTokens, namespace, {
      apiVersion,
      kind: "WaitToken",
      metadata,
      spec,
    });
    return { token, isNew: true };
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw refusal(error);
  }
  const token = await client.get(WaitTokens, namespace, name);
  if (!token) throw new Problem(503, "The token was deleted concurrently: retry");
  return { token, isNew: false };
}

/** Those that only remember until when somebody waits are no tokens of a user's. */
export const isListed = ({ metadata }: WaitToken): boolean => metadata.labels?.[purposeLabel] === undefined;

/** The first to complete a token decides; later calls change nothing, and are told that it is done. */
export async function completeToken(
  { client, clock }: TokenDeps,
  { metadata }: WaitToken,
  output: unknown,
): Promise<void> {
  const { namespace, name, uid } = metadata;
  const status = { state: "Completed", output, completedAt: new Date(clock()).toISOString() };
  const live = await client.get(WaitTokens, namespace, name);
  if (live?.metadata.uid !== uid || isTokenSettled(live)) return;
  try {
    const { resourceVersion } = live.metadata;
    const patch = { metadata: { uid, resourceVersion }, status };
    await client.patch(WaitTokens, namespace, name, patch, { type: "merge", subresource: "status" });
  } catch (error) {
    if (KubeError.is(error, "NotFound")) return;
    if (KubeError.is(error, "Conflict")) throw new Problem(409, "The token was changed concurrently: retry");
    throw refusal(error);
  }
}

/** Until when a run waits that waits for a time: with a key, what was said the first time. */
export async function durationUntil(
  deps: TokenDeps,
  namespace: string,
  { date, idempotencyKey, idempotencyKeyTTL }: { date: Date } & Keyed,
): Promise<Date> {
  if (idempotencyKey === undefined) return date;
  const wanted = { timeoutAt: date.toISOString(), idempotencyKey, idempotencyKeyTTL };
  const { token } = await createToken(deps, namespace, "duration", wanted);
  return new Date(token.spec.timeoutAt ?? date);
}
