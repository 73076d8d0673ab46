/**
 * The JSON of a request's body, in UTF-8; a byte order mark is skipped. Numbers below the fields that hold
 * anything keep their text (lib/exactJson.ts). A body of another type stays unread: `bodyOf` refuses it.
 */
import express, { type Request, type RequestHandler } from "express";
import { parseExactBelow } from "../../lib/exactJson.ts";
import { Problem } from "./problem.ts";

/** The fields of requests in which a client may send any JSON; `value` is that of a metadata operation. */
const anyJsonFields = ["payload", "metadata", "value"];

export const jsonBody = (limit: number): RequestHandler[] => [
  express.raw({ limit, type: (request) => isJson(request as Request) }),
  (request, _response, next) => {
    if (Buffer.isBuffer(request.body)) request.body = parseBody(request.body);
    next();
  },
];

/** Whether the client sent a body that `jsonBody` left unread. */
export const isUnreadBody = (request: Request): boolean =>
  request.body === undefined &&
  (request.get("transfer-encoding") !== undefined || Number(request.get("content-length") ?? 0) > 0);

function isJson(request: Request): boolean {
  if (!request.is(["application/json", "application/*+json"])) return false;
  const charset = /;\s*charset="?([^";\s]*)/i.exec(request.get("content-type") ?? "")?.[1] ?? "utf-8";
  if (/^(utf-?8|us-ascii)$/i.test(charset)) return true;
  throw new Problem(415, `Content-Type: charset ${charset.slice(0, 40)} is not supported: send UTF-8`);
}

function parseBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return {};
  return parseText(textOf(bytes, "body"), "body");
}

/** Bytes that are no UTF-8 would come out as other ones. */
export function textOf(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Problem(400, `${where}: not valid UTF-8: send JSON in UTF-8`);
  }
}

export function parseText(text: string, where: string): unknown {
  try {
    return parseExactBelow(text, ...anyJsonFields);
  } catch (error) {
    const why = error instanceof RangeError ? "nested too deeply" : (error as Error).message;
    throw new Problem(400, `${where}: not valid JSON: ${why}`);
  }
}
