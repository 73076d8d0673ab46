/**
 * GET /realtime/fairlead/v1/runs/<id>: a run as server-sent events, each `data: <run object>`; the stream
 * ends when the run has ended. Changes come from this replica's watch, the object is read live.
 */
import { runId } from "@fairlead/protocol/ids";
import { currentApiVersion } from "@fairlead/protocol/status";
import { Router } from "express";
import { isFinished } from "../../model/run/phase.ts";
import { allow } from "../auth/auth.ts";
import { param, runOfId } from "../http/input.ts";
import { notFound, Problem } from "../http/problem.ts";
import { type DataDeps, loadRunData } from "./data.ts";
import type { RunReader } from "./reader.ts";
import { runObject } from "./wire/runObject.ts";

interface RunStreamDeps extends DataDeps {
  reader: RunReader;
}

/** In one namespace. */
const streamLimit = 500;
const unreadBytes = 4 * 1024 * 1024;
const heartbeatMs = 15_000;

export function runStreamRouter(deps: RunStreamDeps): Router {
  const router = Router();
  /** Streams by namespace. */
  const open = new Map<string, number>();
  router.get("/realtime/fairlead/v1/runs/:id", async (request, response) => {
    const { name, uid } = runOfId(param(request, "id"));
    const id = runId(name, uid);
    const { namespace } = allow(response, `read:runs:${id}`);
    const found = await deps.reader.get(namespace, name, uid);
    if (!found) throw notFound(`run ${id}`);
    // The client has left meanwhile: no "close" would ever come.
    if (response.destroyed) return;
    const own = open.get(namespace) ?? 0;
    if (own >= streamLimit) throw new Problem(429, `Too many open streams, ${streamLimit}: retry later`);
    open.set(namespace, own + 1);
    response.set({ "content-type": "text/event-stream", "cache-control": "no-store" });
    response.flushHeaders();
    let sent: string | undefined;
    let isSending = false;
    let isStale = true;
    /** One at a time; a change meanwhile sends the run once more. */
    const send = async (): Promise<void> => {
      isStale = true;
      if (isSending) return;
      isSending = true;
      while (isStale && !response.writableEnded && !response.destroyed) {
        isStale = false;
        const run = await deps.reader.get(namespace, name, found.metadata.uid);
        // It was deleted; another one may have its name.
        if (!run) {
          response.end();
          break;
        }
        run.id = found.id;
        const text = JSON.stringify(runObject(run, currentApiVersion, await loadRunData(deps, request, run)));
        if (text !== sent) response.write(`data: ${text}\n\n`);
        // The client does not read: it can reconnect.
        if (response.writableLength > unreadBytes) response.destroy();
        sent = text;
        if (isFinished(run)) response.end();
      }
      isSending = false;
    };
    const sendOrEnd = (): void => {
      send().catch(() => response.destroy());
    };
    const stop = deps.reader.watch(namespace, name, sendOrEnd);
    const heartbeat = setInterval(() => response.write(": still there\n\n"), heartbeatMs);
    response.on("close", () => {
      const left = (open.get(namespace) ?? 1) - 1;
      if (left > 0) open.set(namespace, left);
      else open.delete(namespace);
      stop();
      clearInterval(heartbeat);
    });
    sendOrEnd();
  });
  return router;
}
