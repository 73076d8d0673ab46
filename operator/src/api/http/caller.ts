/** Who asks: auth/ authenticates the caller and puts it into the response's locals; routes read it there. */
import type { Response } from "express";

export interface Caller {
  namespace: string;
  /** Signs public tokens of the namespace. */
  key: string;
  /** Of a public token; undefined: everything is allowed. */
  scopes?: string[];
  /** Identifies a single-use token: all triggers with it are the same run or batch. */
  oneTime?: string;
  /** Of a public token: milliseconds since the epoch. */
  expiresAt?: number;
}

/** Only for routes that come after `authenticate`. */
export const callerIn = (response: Response): Caller => response.locals.caller as Caller;

/** Of a client's request, or of a runner's: the namespace that it counts for. */
export function namespaceOf({ locals }: Response): string {
  const { caller, claims } = locals as { caller?: Caller; claims?: { ns: string } };
  return caller?.namespace ?? claims?.ns ?? "";
}
