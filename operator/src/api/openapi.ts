/**
 * GET /openapi.json: an OpenAPI 3.1 document of the client API, with request bodies from the schemas that
 * check them; GET /docs: the same as a page to read. Neither needs a key. A unit test compares the operations
 * with the routes.
 */
import { Router } from "express";
import { z } from "zod";
import { tokenBody } from "./auth/tokens.ts";
import { batchCreateBody, batchOneShotBody } from "./batches/routes.ts";
import { deploymentBody, promotionBody, uploadBody } from "./deployments/body.ts";
import { envVarBody, envVarImportBody, envVarUpdateBody } from "./envVars.ts";
import { queueOverrideBody, queuePauseBody, queueResetBody } from "./queues.ts";
import { keyResetBody } from "./runs/idempotencyKeys.ts";
import { metadataBody } from "./runs/metadata.ts";
import { replayBody } from "./runs/replay.ts";
import { rescheduleBody, tagsBody } from "./runs/routes.ts";
import { filterFields } from "./runs/wire/runFilter.ts";
import { triggerBody } from "./runs/wire/triggerBody.ts";
import { scheduleBody, scheduleCreateBody } from "./schedules.ts";
import { tokenCompleteBody, tokenCreateBody } from "./waits/routes.ts";
import { tokenFilters } from "./waits/wire.ts";

interface Operation {
  method: "get" | "post" | "put" | "delete";
  path: string;
  summary: string;
  body?: z.ZodType;
  /** Media type of the body. Default application/json. */
  bodyType?: string;
  query?: string[];
}

const op = (
  method: Operation["method"],
  path: string,
  summary: string,
  more: Partial<Operation> = {},
): Operation => ({ method, path, summary, ...more });
const pages = ["page", "perPage"];
const runFilters = [
  "page[size]",
  "page[after]",
  "page[before]",
  ...filterFields.map((field) => `filter[${field}]`),
];

export const operations: readonly Operation[] = [
  op("post", "/api/v1/tasks/{task}/trigger", "Trigger a task", { body: triggerBody }),
  op("post", "/api/v3/batches", "Create a batch whose items follow", { body: batchCreateBody }),
  op("post", "/api/v3/batches/{id}/items", "The items of a batch, one JSON object per line", {
    body: z.string(),
    bodyType: "application/x-ndjson",
  }),
  op("post", "/api/v2/tasks/batch", "A batch in one request", { body: batchOneShotBody }),
  op("post", "/api/v1/tasks/batch", "A batch in one request, for older clients", { body: batchOneShotBody }),
  op("get", "/api/v2/batches/{id}", "A batch"),
  op("get", "/api/v1/batches/{id}", "A batch, for older clients"),
  op("get", "/api/v1/batches/{id}/results", "The result of each item of a finished batch"),
  op("get", "/api/v3/runs/{id}", "A run"),
  op("get", "/api/v1/runs/{id}/result", "The result of a finished run"),
  op("get", "/api/v1/runs", "Runs, newest first", { query: runFilters }),
  op("get", "/api/v1/runs/{id}/logs", "What a run printed", {
    query: ["attempt", "since", "timestamps", "follow", "format"],
  }),
  op("post", "/api/v2/runs/{id}/cancel", "Cancel a run"),
  op("post", "/api/v1/runs/{id}/replay", "A new run with the same payload", { body: replayBody }),
  op("post", "/api/v1/runs/{id}/reschedule", "Move the start of a delayed run", { body: rescheduleBody }),
  op("post", "/api/v1/runs/{id}/tags", "Add tags", { body: tagsBody }),
  op("get", "/api/v1/runs/{id}/metadata", "A run's metadata"),
  op("put", "/api/v1/runs/{id}/metadata", "Change a run's metadata", { body: metadataBody }),
  op("get", "/realtime/fairlead/v1/runs/{id}", "A run as it happens, as server-sent events"),
  op("get", "/api/v1/queues", "Queues", { query: pages }),
  op("get", "/api/v1/queues/{queue}", "A queue", { query: ["type"] }),
  op("post", "/api/v1/queues/{queue}/pause", "Pause or resume a queue", {
    body: queuePauseBody,
  }),
  op("post", "/api/v1/queues/{queue}/concurrency/override", "Override a queue's limit", {
    body: queueOverrideBody,
  }),
  op("post", "/api/v1/queues/{queue}/concurrency/reset", "Use the declared limit again", {
    body: queueResetBody,
  }),
  op("post", "/api/v1/waitpoints/tokens", "Create a token that runs can wait for", { body: tokenCreateBody }),
  op("get", "/api/v1/waitpoints/tokens", "Tokens, newest first", {
    query: ["page[size]", "page[after]", "page[before]", ...tokenFilters.map((field) => `filter[${field}]`)],
  }),
  op("get", "/api/v1/waitpoints/tokens/{id}", "A token"),
  op("post", "/api/v1/waitpoints/tokens/{id}/complete", "Complete a token", { body: tokenCompleteBody }),
  op(
    "post",
    "/api/v1/waitpoints/tokens/{id}/callback/{hash}",
    "Complete a token, by its URL and without a key",
    {
      body: z.unknown(),
    },
  ),
  op("get", "/api/v1/schedules", "Schedules", { query: pages }),
  op("post", "/api/v1/schedules", "Create a schedule, or change the one with that key", {
    body: scheduleCreateBody,
  }),
  op("get", "/api/v1/schedules/{id}", "A schedule"),
  op("put", "/api/v1/schedules/{id}", "Change a schedule", { body: scheduleBody }),
  op("delete", "/api/v1/schedules/{id}", "Delete a schedule"),
  op("post", "/api/v1/schedules/{id}/activate", "Let a schedule trigger again"),
  op("post", "/api/v1/schedules/{id}/deactivate", "Keep a schedule from triggering"),
  op("get", "/api/v1/timezones", "Time zones that a schedule can have"),
  op("get", "/api/v1/projects/{ref}/envvars/{slug}", "Environment variables"),
  op("post", "/api/v1/projects/{ref}/envvars/{slug}", "Add a variable", { body: envVarBody }),
  op("post", "/api/v1/projects/{ref}/envvars/{slug}/import", "Add several variables", {
    body: envVarImportBody,
  }),
  op("get", "/api/v1/projects/{ref}/envvars/{slug}/{name}", "A variable"),
  op("put", "/api/v1/projects/{ref}/envvars/{slug}/{name}", "Change a variable", { body: envVarUpdateBody }),
  op("delete", "/api/v1/projects/{ref}/envvars/{slug}/{name}", "Delete a variable"),
  op("put", "/api/v2/packets/{path}", "Where to upload a payload"),
  op("post", "/api/fairlead/v1/deployments/uploads", "Where to upload parts of a bundle", {
    body: uploadBody,
  }),
  op("post", "/api/fairlead/v1/deployments", "Deploy tasks whose code was uploaded", {
    body: deploymentBody,
  }),
  op("get", "/api/fairlead/v1/deployments/{project}", "The versions of a project"),
  op("post", "/api/fairlead/v1/deployments/promote", "Make another version the current one", {
    body: promotionBody,
  }),
  op("get", "/api/v1/runs/{id}/packets/{field}", "Where to fetch a run's payload or output"),
  op("put", "/api/v1/packets/{path}", "Where to upload a payload, for older clients"),
  op("get", "/api/v1/packets/{path}", "Where to fetch a payload"),
  op(
    "post",
    "/api/v1/idempotencyKeys/{key}/reset",
    "Free an idempotency key: the next trigger with it creates a run",
    {
      body: keyResetBody,
    },
  ),
  op(
    "post",
    "/api/v1/auth/jwt/claims",
    "What a public token of this key must claim, for clients that sign it",
  ),
  op("post", "/api/v1/auth/public-tokens", "A public token", { body: tokenBody }),
];

export function openApiDocument(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, summary, body, bodyType = "application/json", query = [] } of operations) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string" },
    }));
    const inQuery = query.map((name) => ({ name, in: "query", schema: { type: "string" } }));
    paths[path] ??= {};
    paths[path][method] = {
      summary,
      parameters: [...inPath, ...inQuery],
      ...(body ? { requestBody: { content: { [bodyType]: { schema: jsonSchema(body) } } } } : {}),
      responses: {
        "2XX": { description: "Done." },
        "4XX": { description: "Refused; `error` says why and names the field.", content: errorContent },
      },
    };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Fairlead",
      version: "v1",
      description: "Background tasks on Kubernetes. Speaks Trigger.dev's protocol.",
    },
    components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
    security: [{ key: [] }],
    paths,
  };
}

const errorContent = {
  "application/json": {
    schema: { type: "object", required: ["error"], properties: { error: { type: "string" } } },
  },
};

function jsonSchema(schema: z.ZodType): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}

export function openApiRouter(): Router {
  const document = JSON.stringify(openApiDocument());
  const page = pageOf();
  const router = Router();
  router.get("/openapi.json", (_request, response) => {
    response.type("json").send(document);
  });
  router.get("/docs", (_request, response) => {
    response.type("html").send(page);
  });
  return router;
}

function pageOf(): string {
  const html = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const rows = operations.map(({ method, path, summary, body, query = [] }) => {
    const details = [
      ...(query.length > 0 ? [`Query: ${query.join(", ")}`] : []),
      ...(body ? [`Body: ${JSON.stringify(jsonSchema(body), undefined, 1)}`] : []),
    ];
    const more =
      details.length > 0
        ? `<details><summary>more</summary><pre>${html(details.join("\n\n"))}</pre></details>`
        : "";
    return `<tr><td><b>${method.toUpperCase()}</b></td><td><code>${html(path)}</code></td><td>${html(summary)}${more}</td></tr>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Fairlead API</title>
<style>body{font:16px/1.5 system-ui;max-width:70rem;margin:2rem auto;padding:0 1rem}td{vertical-align:top;padding:.3rem .6rem;border-top:1px solid #ddd}pre{max-height:20rem;overflow:auto;background:#f6f6f6;padding:.5rem}</style>
<h1>Fairlead API</h1>
<p>Trigger.dev's protocol. <code>Authorization: Bearer &lt;key&gt;</code>. Errors are <code>{"error": "…"}</code>. The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
<table>${rows.join("\n")}</table></html>
`;
}
