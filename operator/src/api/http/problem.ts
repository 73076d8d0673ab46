/** What a client did wrong, as an answer: thrown by routers, written by server.ts. `error` names the field. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  /** Whether the same request may work later; the clients' own rule where it is not said. */
  readonly retry: boolean | undefined;
  readonly code: string | undefined;

  constructor(status: number, message: string, options: { retry?: boolean; code?: string } = {}) {
    super(message);
    this.status = status;
    this.retry = options.retry;
    this.code = options.code;
  }
}

/** There is nothing of that id, and waiting does not help. */
export const notFound = (what: string): Problem => new Problem(404, `There is no ${what}.`, { retry: false });
