/**
 * An answer that is sent before its request has been read: the rest is read and dropped, within bounds. A
 * client whose connection is cut while it sends never reads the answer.
 */
import type { RequestHandler } from "express";

const [drainBytes, drainMs] = [64 * 1024 * 1024, 30_000];

export const drainAfterAnswer: RequestHandler = (request, response, next) => {
  response.on("finish", () => {
    if (request.complete) return;
    let left = drainBytes;
    request.on("data", (part: Uint8Array) => {
      left -= part.length;
      if (left < 0) request.destroy();
    });
    const timer = setTimeout(() => request.destroy(), drainMs);
    request.on("close", () => clearTimeout(timer));
  });
  next();
};
