/** Who asks: auth/ finds out and puts it into the answer's locals, everything behind it reads it there. */
import type { Response } from "express";

export interface Caller {
  namespace: string;
  /** Signs public tokens of the namespace. */
  key: string;
  /** Of a public token; undefined: everything is allowed. */
  scopes?: string[];
  /** Identifies a single-use token: whatever is triggered with it is the same run or batch. */
  oneTime?: string;
}

/** Behind `authenticate` only. */
export const callerIn = (response: Response): Caller => response.locals.caller as Caller;
