/**
 * Packets: payloads that a client puts into the bucket itself, and payloads and outputs that it fetches from
 * there.
 *
 *   PUT /api/v2/packets/<path>      → {presignedUrl, storagePath}      where to put one
 *   PUT /api/v1/packets/<path>      → {presignedUrl}                   likewise, of older clients
 *   GET /api/v1/packets/<path>      → {presignedUrl}                   where to fetch it
 *   GET, PUT /objects/<token>       the object itself, for clients that do not reach the bucket: objects.ts
 *
 * Where the bucket has an address that clients reach (objectStore.publicEndpoint), URLs are presigned for it.
 * Otherwise they are the API's own, with a signed token that names object and method, so that one
 * port-forward is enough.
 */

import { type Request, type Response, Router } from "express";
import { jwtVerify, SignJWT } from "jose";
import { packetsPrefix } from "../storage/layout.ts";
import type { ObjectStore, Stores } from "../storage/objectStore.ts";
import { ownFolder } from "./auth/ownNames.ts";
import { demandSome, maySome } from "./auth/rights.ts";
import { type Caller, callerIn } from "./http/caller.ts";
import { Problem } from "./http/problem.ts";

const linkSeconds = 3600;
const audience = "fairlead-objects";

interface PacketDeps {
  links: Links;
}

/** Of a request: by which address its client knows the API, and when its right ends. */
export interface Origin {
  protocol: string;
  host: string;
  /** Milliseconds since the epoch. */
  until?: number;
}

/** Headers of proxies are not believed: anybody can send them. */
export const originOf = (request: Request, { expiresAt }: Pick<Caller, "expiresAt">): Origin => ({
  ...{ protocol: request.protocol, host: request.get("host") ?? "", until: expiresAt },
});

/** An object of a namespace. */
interface ObjectName {
  namespace: string;
  key: string;
}

/**
 * URLs of objects that a client can use. Each is a right of its own for an hour; one that a token has got
 * ends with the token.
 */
export class Links {
  readonly #key: Uint8Array;
  readonly #store: ObjectStore;
  readonly #isPublic: boolean;
  readonly #publicUrl: string | undefined;

  /**
   * `isPublic`: clients reach the bucket by its public endpoint. `publicUrl`: the API's own address for all
   * clients; undefined: that of each request.
   */
  constructor(store: ObjectStore, signingKey: string, isPublic: boolean, publicUrl?: string) {
    this.#publicUrl = publicUrl;
    this.#store = store;
    this.#key = new TextEncoder().encode(signingKey);
    this.#isPublic = isPublic;
  }

  /** By which address the client knows the API. */
  address({ protocol, host }: Origin): string {
    return this.#publicUrl ?? `${protocol}://${host}`;
  }

  async url(origin: Origin, method: "GET" | "PUT", object: ObjectName): Promise<string> {
    if (!this.#isPublic) return this.#link(this.address(origin), origin, method, object);
    const store = this.#store.of(object.namespace);
    const options = { expiresSeconds: secondsFor(origin), audience: "public" as const };
    return method === "GET" ? store.presignGet(object.key, options) : store.presignPut(object.key, options);
  }

  /**
   * For a pod, at the address that it has used: the bucket refuses a request that has an Authorization header
   * beside the signature.
   */
  ownUrl(origin: Origin, method: "GET" | "PUT", object: ObjectName): Promise<string> {
    return this.#link(`${origin.protocol}://${origin.host}`, origin, method, object);
  }

  async #link(
    address: string,
    origin: Origin,
    method: "GET" | "PUT",
    { namespace, key }: ObjectName,
  ): Promise<string> {
    const token = await new SignJWT({ namespace, key, method })
      .setProtectedHeader({ alg: "HS256" })
      .setAudience(audience)
      .setExpirationTime(`${secondsFor(origin)}s`)
      .sign(this.#key);
    return `${address}/objects/${token}`;
  }

  /** The object that a token of ours names, for that method. */
  async open(token: string, method: "GET" | "PUT"): Promise<ObjectName> {
    try {
      const { payload } = await jwtVerify(token, this.#key, { audience, algorithms: ["HS256"] });
      const { namespace, key } = payload;
      if (payload.method === method && typeof namespace === "string" && typeof key === "string")
        return { namespace, key };
    } catch {
      // Not ours, or expired.
    }
    throw new Problem(403, "The link is not valid, or has expired: ask for a new one", { retry: false });
  }
}

function secondsFor({ until = Number.POSITIVE_INFINITY }: Origin): number {
  const left = Math.ceil((until - Date.now()) / 1000);
  return Math.max(1, Math.min(linkSeconds, left));
}

/**
 * A path that a client chose, as a key of its own namespace, and of its own if it has a public token;
 * `storagePath` and the path of the URL are the same.
 */
function packetKey(caller: Caller, path: string): string {
  const parts = path.split("/");
  const isPlain = parts.every((part) => /^[A-Za-z0-9_][A-Za-z0-9_.=-]*$/.test(part));
  if (!isPlain || path.length > 512) {
    throw new Problem(
      400,
      `packet: "${path.slice(0, 512)}" is not a valid path: use letters, digits and _ - . = between slashes`,
    );
  }
  return packetsPrefix(caller.namespace) + ownFolder(caller) + path;
}

interface Packet {
  key: string;
  size: number;
  type: string;
}

/** The payload that a client uploaded to this path. */
export async function findPacket(
  store: Stores<"head">,
  caller: Caller,
  storagePath: string,
): Promise<Packet> {
  const key = packetKey(caller, storagePath);
  const stored = await store.of(caller.namespace).head(key);
  if (!stored) throw new Problem(422, `payload: nothing was uploaded to ${storagePath}: upload it first`);
  return { key, size: stored.size, type: stored.type ?? "application/json" };
}

/** Uploads are meant for triggers. */
function allowUpload(response: Response): Caller {
  const caller = callerIn(response);
  if (!maySome(caller, "batchTrigger", ["tasks"])) demandSome(caller, "trigger", ["tasks"]);
  return caller;
}

export function packetsRouter({ links }: PacketDeps): Router {
  const router = Router();
  const pathOf = (request: Request): string => [request.params.path].flat().join("/");
  const link = (method: "GET" | "PUT", request: Request, response: Response, path: string) => {
    const caller = allowUpload(response);
    const packet = { namespace: caller.namespace, key: packetKey(caller, path) };
    return links.url(originOf(request, caller), method, packet);
  };
  router.put("/api/v2/packets/*path", async (request, response) => {
    const storagePath = pathOf(request);
    const presignedUrl = await link("PUT", request, response, storagePath);
    response.json({ presignedUrl, storagePath });
  });
  router.put("/api/v1/packets/*path", async (request, response) => {
    response.json({ presignedUrl: await link("PUT", request, response, pathOf(request)) });
  });
  router.get("/api/v1/packets/*path", async (request, response) => {
    const path = pathOf(request);
    const ofRun = /^(run_[^/]+)\/output$/.exec(path)?.[1];
    // What the result of a run with a large output names.
    if (ofRun) return response.redirect(307, `/api/v1/runs/${encodeURIComponent(ofRun)}/packets/output`);
    response.json({ presignedUrl: await link("GET", request, response, path) });
  });
  return router;
}
