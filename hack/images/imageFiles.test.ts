import { expect, test } from "vitest";
import { imageValues, splitRef } from "./imageFiles.ts";

test("a registry's port is not read as a tag", () => {
  expect(splitRef("127.0.0.1:5000/team/operator:1f")).toEqual({
    repository: "127.0.0.1:5000/team/operator",
    tag: "1f",
  });
  expect(() => splitRef("127.0.0.1:5000/operator")).toThrow("needs a tag");
  expect(() => splitRef("operator")).toThrow("needs a tag");
});

test("the chart's values hold the images of operator, Redis and object store", () => {
  const images = {
    operator: { ref: "fairlead.local/operator:1" },
    runtime: { ref: "fairlead.local/runtime:4" },
    redis: { ref: "fairlead.local/redis:2" },
    versitygw: { ref: "fairlead.local/versitygw:3" },
  };
  expect(imageValues(images)).toEqual({
    image: { repository: "fairlead.local/operator", tag: "1" },
    runtimeImage: { repository: "fairlead.local/runtime", tag: "4" },
    redis: { image: { repository: "fairlead.local/redis", tag: "2" } },
    objectStore: { image: { repository: "fairlead.local/versitygw", tag: "3" } },
  });
});
