import { expect, it } from "vitest";
import { openApiDocument, operations } from "./openapi.ts";

interface Document {
  paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: object }> } }>>;
}

it("describes every operation, with the schema that checks its body", () => {
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
