import { expect, test } from "vitest";
import { KubeError } from "./client/kubeError.ts";
import type { KubeObject, Resource } from "./resources.ts";
import { replaceStatus } from "./status.ts";

interface Widget extends KubeObject {
  spec?: object;
  status?: { color?: string; size?: number };
}

const Widgets: Resource<Widget> = {
  group: "example.dev",
  version: "v1",
  plural: "widgets",
  kind: "Widget",
  namespaced: true,
};

const widget: Widget = {
  metadata: { name: "w", namespace: "n", uid: "u", resourceVersion: "7", labels: { a: "b" } },
  spec: { big: "text" },
  status: { color: "red" },
};

function world(answer: (body: unknown) => Widget | Error) {
  const sent: unknown[] = [];
  const cached: Widget[] = [];
  const client = {
    replace: async (...[, namespace, name, body, options]: unknown[]) => {
      sent.push({ namespace, name, body, options });
      const result = answer(body);
      if (result instanceof Error) throw result;
      return result;
    },
  } as unknown as Parameters<typeof replaceStatus>[0];
  const cache = { upsertFromWrite: (object: Widget) => void cached.push(object) };
  const write = (status: Widget["status"]) => replaceStatus(client, cache, Widgets, widget, status);
  return { sent, cached, write };
}

test("a status is sent with the version that it is based on and without the spec, and the answer is cached", async () => {
  const answer: Widget = { ...widget, status: { color: "blue" } };
  const { sent, cached, write } = world(() => answer);
  expect(await write({ color: "blue" })).toBe(answer);
  expect(sent).toEqual([
    {
      namespace: "n",
      name: "w",
      body: {
        apiVersion: "example.dev/v1",
        kind: "Widget",
        metadata: { name: "w", namespace: "n", uid: "u", resourceVersion: "7" },
        status: { color: "blue" },
      },
      options: { subresource: "status" },
    },
  ]);
  expect(cached).toEqual([answer]);
});

test("a status that is there already is not sent, undefined fields or not", async () => {
  const { sent, write } = world(() => widget);
  expect(await write({ color: "red", size: undefined })).toBe(widget);
  expect(sent).toEqual([]);
});

test.each(["Conflict", "NotFound"] as const)("%s leaves the object to its newer state", async (reason) => {
  const status = reason === "Conflict" ? 409 : 404;
  const { cached, write } = world(
    () => new KubeError({ status, reason, message: reason, method: "PUT", path: "/" }),
  );
  expect(await write({ color: "blue" })).toBeUndefined();
  expect(cached).toEqual([]);
});

test("any other error is thrown", async () => {
  const { write } = world(() => new Error("the connection broke"));
  await expect(write({ color: "blue" })).rejects.toThrow("the connection broke");
});
