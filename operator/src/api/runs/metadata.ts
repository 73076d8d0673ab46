/** A run's metadata: JSON that travels with the run; clients read it, and change it with operations. */
import { maxMetadataBytes } from "@fairlead/protocol/limits";
import { Router } from "express";
import { z } from "zod";
import { KubeError } from "../../kube/client/client.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import {
  applyOperations,
  type MetadataOperation,
  metadataOperation,
} from "../../model/run/metadataOperations.ts";
import { isFinished } from "../../model/run/phase.ts";
import { secretOnly } from "../auth/rights.ts";
import { bodyOf } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import { findRun, type RunAccessDeps } from "./access.ts";
import { checkMetadata } from "./wire/triggerBody.ts";

/** Metadata and operations, as JSON that may escape much. */
const maxBytes = 2 * maxMetadataBytes;

export const metadataBody = z.strictObject({
  metadata: z.record(z.string(), z.unknown()).optional(),
  operations: z.array(metadataOperation).max(1000).optional(),
  parentOperations: z.array(metadataOperation).max(1000).optional(),
  rootOperations: z.array(metadataOperation).max(1000).optional(),
});

export function runMetadataRouter(deps: RunAccessDeps): Router {
  const router = Router();

  router.get("/api/v1/runs/:id/metadata", async (request, response) => {
    const run = await findRun(deps, request, response, "read");
    response.json({ metadata: run.spec.metadata ?? {} });
  });

  router.put("/api/v1/runs/:id/metadata", secretOnly, async (request, response) => {
    const run = await findRun(deps, request, response, "write");
    const { metadata: given, ...by } = await bodyOf(metadataBody, request, { maxBytes });
    // As in Trigger.dev, a run without a parent is its own parent and root.
    const operations = [by.operations, by.parentOperations, by.rootOperations].flatMap((some) => some ?? []);
    const before = checkMetadata(given ?? run.spec.metadata ?? {}, "metadata");
    const metadata = applyChanges(before, operations);
    await replaceMetadata(deps, run, metadata);
    response.json({ metadata });
  });

  return router;
}

function applyChanges(
  before: Record<string, unknown>,
  operations: MetadataOperation[],
): Record<string, unknown> {
  try {
    return checkMetadata(applyOperations(before, operations), "metadata");
  } catch (error) {
    if (error instanceof RangeError) throw new Problem(400, `operations: ${error.message}`);
    throw error;
  }
}

/** Replaces all of them, if the run has not changed since it was read; a client that gets 409 retries. */
async function replaceMetadata(
  deps: RunAccessDeps,
  run: TaskRun,
  metadata: Record<string, unknown>,
): Promise<void> {
  if (isFinished(run)) throw new Problem(422, "The run has ended: its metadata cannot change any more");
  const { namespace, name, uid, resourceVersion } = run.metadata;
  const operation = run.spec.metadata === undefined ? "add" : "replace";
  const patches = [
    { op: "test", path: "/metadata/uid", value: uid },
    { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
    { op: operation, path: "/spec/metadata", value: metadata },
  ];
  try {
    await deps.client.patch(TaskRuns, namespace, name, patches, { type: "json" });
  } catch (error) {
    if (error instanceof KubeError && (error.status === 422 || error.status === 409)) {
      throw new Problem(409, "The run was changed concurrently: retry");
    }
    throw error;
  }
}
