/**
 * A request's body, read when its route asks for it: after the route has checked the caller's scopes. JSON in
 * UTF-8; a byte order mark is skipped. Numbers below the fields that hold anything keep their text
 * (lib/exactJson.ts).
 *
 * What a body may cost is known before it is paid: its bytes have a limit, 64 KiB where no payload comes;
 * its values are counted before any is made; both count against budgets of the namespace and of all
 * (bodyBudget.ts) until the answer was sent. Compressed bodies are refused: they would hide their size.
 */
import type { Request } from "express";
import { parseExactBelow } from "../../lib/exactJson.ts";
import { countValues } from "../../lib/jsonWeight.ts";
import { minimumRate } from "../../lib/minimumRate.ts";
import type { BodyBudget, Reservation } from "./bodyBudget.ts";
import { Problem } from "./problem.ts";

/** Of a body without a payload. */
export const smallBodyBytes = 64 * 1024;
/** The fields of requests in which a client may send any JSON; `value` is that of a metadata operation. */
const anyJsonFields = ["payload", "metadata", "value"];
/** About what a value takes in memory beside its text. */
const valueBytes = 64;
/** Values take at most so many times the bytes that the body may have. */
const valueShare = 2;
const slowest = { bytesPerSecond: 4 * 1024, windowMs: 10_000 };

export interface BodyLimit {
  /** Of the body. */
  maxBytes: number;
}

/** The body as JSON; undefined: there is none. */
export async function readJson(
  request: Request,
  budget: BodyBudget,
  { maxBytes }: BodyLimit,
): Promise<unknown> {
  refuseCompressed(request);
  if (!hasBody(request)) return undefined;
  demandJson(request);
  const declared = Number(request.get("content-length") ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes, declared);
  const held = budget.open(request);
  const parts: Uint8Array[] = [];
  for await (const part of bytesOf(request, held, maxBytes)) parts.push(part);
  const bytes = Buffer.concat(parts);
  if (bytes.length === 0) return {};
  return parseText(textOf(bytes, "body"), "body", held, maxBytes);
}

/** The bytes of a body within its limit and the budgets; a refusal leaves the connection open. */
export async function* bytesOf(
  request: Request,
  held: Reservation,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let received = 0;
  const rate = minimumRate(slowest, () => request.destroy());
  try {
    const stream = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    for await (const part of stream) {
      received += part.length;
      if (received > maxBytes) throw tooLarge(maxBytes);
      held.add(part.length);
      rate.pause();
      await held.keepPace(part.length);
      yield part;
      rate.moved(part.length);
    }
  } finally {
    rate.stop();
  }
}

export const tooLarge = (maxBytes: number, length?: number): Problem =>
  new Problem(
    413,
    `Request body too large: ${length === undefined ? `at most ${maxBytes} bytes` : `${length} bytes, at most ${maxBytes}`} are allowed. Upload a payload first (PUT /api/v2/packets/…) or send less at once.`,
  );

export function refuseCompressed(request: Request): void {
  const encoding = request.get("content-encoding") ?? "identity";
  if (/^\s*(identity)?\s*$/i.test(encoding)) return;
  throw new Problem(
    415,
    `Content-Encoding: "${encoding.slice(0, 40)}" is not supported: send the body uncompressed`,
  );
}

const hasBody = (request: Request): boolean =>
  request.get("transfer-encoding") !== undefined || Number(request.get("content-length") ?? 0) > 0;

function demandJson(request: Request): void {
  const given = request.get("content-type");
  if (!request.is(["application/json", "application/*+json"])) {
    const found = given === undefined ? "missing" : `"${given.slice(0, 80)}" is not application/json`;
    throw new Problem(415, `Content-Type: ${found}: send JSON as application/json`);
  }
  const charset = /;\s*charset="?([^";\s]*)/i.exec(given ?? "")?.[1] ?? "utf-8";
  if (/^(utf-?8|us-ascii)$/i.test(charset)) return;
  throw new Problem(415, `Content-Type: charset ${charset.slice(0, 40)} is not supported: send UTF-8`);
}

/** Bytes that are no UTF-8 would come out as other ones. */
function textOf(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Problem(400, `${where}: not valid UTF-8: send JSON in UTF-8`);
  }
}

/** `maxBytes`: of the whole body. */
export function parseText(text: string, where: string, held: Reservation, maxBytes: number): unknown {
  const most = Math.floor((Math.max(maxBytes, smallBodyBytes) * valueShare) / valueBytes);
  const values = countValues(text, most);
  if (values > most) {
    throw new Problem(
      413,
      `${where}: more than ${most} values: send it as one text, or upload it first (PUT /api/v2/packets/…)`,
    );
  }
  held.add(values * valueBytes);
  try {
    return parseExactBelow(text, ...anyJsonFields);
  } catch (error) {
    const why = error instanceof RangeError ? "nested too deeply" : (error as Error).message;
    throw new Problem(400, `${where}: not valid JSON: ${why}`);
  }
}
