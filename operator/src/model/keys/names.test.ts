import { maxKeyGenerations } from "@fairlead/protocol/limits";
import { describe, expect, it } from "vitest";
import { generationsFrom, requestName } from "./names.ts";

describe("derived names", () => {
  it("a request's name is 25 lower-case letters and digits, and the same for the same parts", () => {
    expect(requestName("default", "task", "1")).toMatch(/^r[a-z0-9]{24}$/);
    expect(requestName("default", "task", "1")).toBe(requestName("default", "task", "1"));
    expect(requestName("default", "task", "1")).not.toBe(requestName("default", "task1", ""));
  });

  it("generations are named in order, from the first wanted one, and end", () => {
    const all = [...generationsFrom(3, (generation) => `k${generation}`)];
    expect(all[0]).toEqual({ generation: 3, name: "k3" });
    expect(all[1]).toEqual({ generation: 4, name: "k4" });
    expect(all).toHaveLength(maxKeyGenerations);
  });
});
