/**
 * How many bytes of request bodies, and of what was made of them, are in memory at once: of each namespace,
 * and of all. A request beyond either is answered 429, so that a namespace can fill its own share only. And
 * how fast a namespace's bodies are read: what comes faster waits in the connection, since each byte costs
 * the process time that others wait for.
 */
import type { Request, RequestHandler, Response } from "express";
import { Pace } from "../../lib/pace.ts";
import { Shares } from "../../lib/shares.ts";
import { namespaceOf } from "./caller.ts";
import { Problem } from "./problem.ts";

/** What one request holds of the budgets. Given back when its answer was sent, or its client has left. */
export interface Reservation {
  /** Throws when there is no room. */
  add(bytes: number): void;
  /** Waits until the namespace may have so many bytes more read. */
  keepPace(bytes: number): Promise<void>;
}

/** How often the largest body, with its values, fits into the share of a namespace, and of all. */
const [bodiesOfNamespace, bodiesOfAll] = [4, 8];

const mebibyte = 1024 * 1024;
const readRate = { perSecond: 16 * mebibyte, burst: 32 * mebibyte };

export class BodyBudget {
  readonly #pace = new Pace(readRate);
  readonly #shares: Shares;

  /** `maxBytes`: of the largest body. */
  constructor(maxBytes: number) {
    const least = Math.max(maxBytes, mebibyte);
    this.#shares = new Shares({ each: least * bodiesOfNamespace, all: least * bodiesOfAll });
  }

  open(request: Request, namespace = namespaceOf(request.res as Response)): Reservation {
    const response = request.res as Response;
    let held = 0;
    response.on("close", () => {
      this.#shares.give(namespace, held);
      held = 0;
    });
    return {
      keepPace: (bytes) => this.#pace.keep(namespace, bytes),
      add: (bytes) => {
        // No "close" comes any more that would give it back.
        if (response.destroyed || response.closed) throw new Problem(499, "The client has left");
        if (!this.#shares.take(namespace, bytes)) {
          throw new Problem(429, "Too many request bodies at once: retry, or send less at once", {
            retry: true,
          });
        }
        held += bytes;
      },
    };
  }
}

/** For all routes: `bodyOf` finds the budget there. */
export const withBodyBudget =
  (budget: BodyBudget): RequestHandler =>
  (_request, response, next) => {
    response.locals.bodies = budget;
    next();
  };

export const bodiesIn = (request: Request): BodyBudget => request.res?.locals.bodies as BodyBudget;
