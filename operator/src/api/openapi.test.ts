import type { Router } from "express";
import { describe, expect, it } from "vitest";
import { openApiDocument, operations } from "./openapi.ts";
import { type ApiDeps, keyedRoutes, openRoutes } from "./server.ts";

interface Document {
  paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: object }> } }>>;
}

/**
 * Routes that are not for clients' programs: the document itself, its page, and links that the API gives out.
 */
const undocumented = ["get /openapi.json", "get /docs", "get /objects/{token}", "put /objects/{token}"];

/** `get /api/v3/runs/{id}` of each route that a router, or one within it, has. */
function routesOf({ stack }: Router): string[] {
  return stack.flatMap(({ route, handle }) => {
    if (!route) return "stack" in handle ? routesOf(handle as unknown as Router) : [];
    const path = route.path.replaceAll(/[:*](\w+)/g, "{$1}");
    return [...new Set(route.stack.map(({ method }) => `${method} ${path}`))];
  });
}

describe("the OpenAPI document", () => {
  it("the document has every route of the API, and no other", () => {
    // Routers keep their dependencies for later: none is used here.
    const deps = { limits: {}, waits: {} } as ApiDeps;
    const routes = [...routesOf(openRoutes(deps)), ...routesOf(keyedRoutes(deps))];
    const described = operations.map(({ method, path }) => `${method} ${path}`);
    expect([...described, ...undocumented].sort()).toEqual(routes.sort());
  });

  it("an operation has the schema that checks its body", () => {
    const { paths } = openApiDocument() as Document;
    expect(Object.values(paths).flatMap((path) => Object.keys(path))).toHaveLength(operations.length);
    const trigger =
      paths["/api/v1/tasks/{task}/trigger"]?.post?.requestBody?.content["application/json"]?.schema;
    expect(trigger).toMatchObject({
      type: "object",
      properties: { payload: {}, options: { properties: { delay: {}, ttl: {}, tags: {}, queue: {} } } },
    });
    expect(JSON.stringify(paths)).not.toContain("$schema");
  });
});
