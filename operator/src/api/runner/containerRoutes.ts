/**
 * Payload and output of an inline container, for any HTTP client that sends the pod's token: the bytes, or a
 * redirect that curl and wget follow.
 */
import { maxOutputBytes } from "@fairlead/protocol/limits";
import { type Request, type Response, Router } from "express";
import type { TaskRun } from "../../model/resources.ts";
import { containerOutputKey } from "../../storage/layout.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { Problem } from "../http/problem.ts";
import type { Links } from "../packets.ts";
import { claimsIn } from "./authenticate.ts";
import { payloadOf } from "./handOver.ts";

interface ContainerDeps {
  store: Stores<"presignPut">;
  links: Pick<Links, "ownUrl">;
}

const uploadUrlSeconds = 15 * 60;

export function containerRoutes(
  deps: ContainerDeps,
  loadRun: (response: Response) => Promise<TaskRun>,
): Router {
  const router = Router();

  router.get("/attempt/payload", async (request, response) => {
    const run = await loadRun(response);
    const payload = payloadOf(run);
    if (!payload) throw new Problem(404, "The run has no payload");
    // wget sends its headers there too: not to the bucket, which takes a signature or a header, not both.
    if ("key" in payload) {
      const object = { namespace: run.metadata.namespace, key: payload.key };
      return response.redirect(307, await deps.links.ownUrl(request, "GET", object));
    }
    response.setHeader("content-type", payload.type);
    response.setHeader("x-content-type-options", "nosniff");
    response.end(payload.text);
  });

  // Two steps: nothing is sent twice.
  router.get("/attempt/output", async (_request, response) => {
    response.setHeader("content-type", "text/plain");
    response.end(await outputUrl(response));
  });

  // One step, for clients that follow a redirect with their body.
  router.put("/attempt/output", async (request, response) => {
    const size = Number(request.get("content-length") ?? 0);
    if (size > maxOutputBytes)
      throw new Problem(413, `content-length: ${size} bytes, an output has at most ${maxOutputBytes}`);
    const url = await outputUrl(response, size);
    // A client that sends without a pause would not see an answer that comes before its end.
    if (size <= droppedBytes) await dropped(request);
    response.redirect(307, url);
  });

  async function outputUrl(response: Response, size?: number): Promise<string> {
    const { metadata, spec } = await loadRun(response);
    if (!spec.container) throw new Problem(404, "A task's output goes to POST attempt/output");
    const key = containerOutputKey(metadata, claimsIn(response).attempt);
    // The client sends the same body there. What is not said now is measured when the attempt ends.
    const signed = size ? { size } : {};
    const options = { expiresSeconds: uploadUrlSeconds, audience: "cluster", ...signed } as const;
    return deps.store.of(metadata.namespace).presignPut(key, options);
  }

  return router;
}

const droppedBytes = 1024 * 1024;

async function dropped(request: Request): Promise<void> {
  let size = 0;
  for await (const part of request as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > droppedBytes) throw new Problem(413, "content-length: missing: send it");
  }
}
