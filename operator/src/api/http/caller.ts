/** Who asks: auth/ authenticates the caller and puts it into the response's locals; routes read it there. */
import type { Response } from "express";

export interface Caller {
  /** `attempt`: the code of a run, with its attempt's own credential. */
  kind: "key" | "publicToken" | "attempt";
  namespace: string;
  /** Signs public tokens of the namespace. */
  key: string;
  /** Name of the key that it is, or that its token was signed with, as the log says it. */
  keyName: string;
  /** What that key is allowed; undefined: everything. */
  keyScopes?: readonly string[];
  /** What the token is allowed, of what its key is; undefined: all of that. */
  scopes?: readonly string[];
  /** Of a public token: what tells it from all others. */
  tokenHash?: string;
  /** The token makes one run, or one batch. */
  isOneTime?: boolean;
  /** Of an attempt's code: whose. */
  attempt?: { run: string; uid: string; number: number };
  /** Of an attempt's token: its text without the signature. SDKs before 4.8 sign public tokens with it. */
  signer?: string;
  /** When token or key end, in milliseconds since the epoch; undefined: when the key is removed. */
  expiresAt?: number;
}

/** Only for routes that come after `authenticate`. */
export const callerIn = (response: Response): Caller => response.locals.caller as Caller;

/** Of a client's request, or of a runner's: the namespace that it counts for. */
export function namespaceOf({ locals }: Response): string {
  const { caller, claims } = locals as { caller?: Caller; claims?: { ns: string } };
  return caller?.namespace ?? claims?.ns ?? "";
}
