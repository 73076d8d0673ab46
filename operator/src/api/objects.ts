/**
 * GET, PUT /objects/<token>: an object, for clients that do not reach the bucket. Needs no key: the link is
 * the right, and counts for the namespace of the object that it names.
 *
 * A transfer may last as long as it makes progress. Each namespace has so many places at once, and so have
 * all together; downloads have connections of their own to the bucket. So whoever reads or sends slowly
 * takes only places of its own namespace, and none for long.
 */
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { maxPayloadBytes } from "@fairlead/protocol/limits";
import { type Response, Router } from "express";
import { minimumRate, type SlowestRate } from "../lib/minimumRate.ts";
import { Shares } from "../lib/shares.ts";
import type { Stores } from "../storage/objectStore.ts";
import { bytesOf, refuseCompressed } from "./http/body.ts";
import { bodiesIn } from "./http/bodyBudget.ts";
import { notFound, Problem } from "./http/problem.ts";
import type { Links } from "./packets.ts";

interface ObjectDeps {
  store: Stores<"put" | "read">;
  links: Links;
  limits: { download?: SlowestRate };
}

const downloads = { each: 32, all: 256 };
/** Each is held in memory, up to 10 MB: the budget of bodies counts its bytes, too. */
const uploads = { each: 8, all: 64 };
/** The connection's buffers take megabytes at once: a slow reader's progress comes in steps. */
const slowestDownload: SlowestRate = { bytesPerSecond: 4 * 1024, windowMs: 60_000 };

export function objectsRouter({ links, store, limits }: ObjectDeps): Router {
  const router = Router();
  const [down, up] = [new Shares(downloads), new Shares(uploads)];
  const slowest = limits.download ?? slowestDownload;

  router.get("/objects/:token", async (request, response) => {
    const { namespace, key } = await links.open(request.params.token, "GET");
    await inPlace(down, namespace, "downloads", async () => {
      const object = await store.of(namespace).read(key);
      if (!object) throw notFound("object of this link");
      // As it was stored: express would add a charset, and clients compare the type.
      response.setHeader("content-type", object.type ?? "application/octet-stream");
      response.setHeader("content-length", object.size);
      // A tenant's bytes: a browser must not show them as a page of this origin.
      response.setHeader("content-disposition", "attachment");
      response.setHeader("x-content-type-options", "nosniff");
      response.setHeader("content-security-policy", "sandbox; default-src 'none'");
      await send(object.body, response, slowest);
    });
  });

  // The link is checked first: no bytes are read without a valid one.
  router.put("/objects/:token", async (request, response) => {
    const { namespace, key } = await links.open(request.params.token, "PUT");
    refuseCompressed(request);
    await inPlace(up, namespace, "uploads", async () => {
      const held = bodiesIn(request).open(request, namespace);
      const parts: Uint8Array[] = [];
      for await (const part of bytesOf(request, held, maxPayloadBytes)) parts.push(part);
      const type = request.get("content-type") ?? "application/octet-stream";
      await store.of(namespace).put(key, Buffer.concat(parts), { type });
      response.status(200).end();
    });
  });
  return router;
}

async function send(body: Readable, response: Response, slowest: SlowestRate): Promise<void> {
  const rate = minimumRate(slowest, () => response.destroy());
  const counted = async function* (parts: AsyncIterable<Uint8Array>) {
    for await (const part of parts) {
      // Asked for once the client took what came before.
      rate.moved(part.length);
      yield part;
    }
  };
  try {
    await pipeline(body, counted, response);
  } finally {
    rate.stop();
  }
}

/** A place is taken until the work has ended: also where the client has left before. */
async function inPlace(
  places: Shares,
  namespace: string,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  if (!places.take(namespace)) {
    throw new Problem(429, `Too many ${what} at once: retry`, { retry: true });
  }
  try {
    await work();
  } finally {
    places.give(namespace);
  }
}
