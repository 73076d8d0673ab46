import { afterEach, describe, expect, it, vi } from "vitest";
import { logger } from "./logger.ts";

const lines: string[] = [];
vi.spyOn(process.stdout, "write").mockImplementation((text) => {
  lines.push(String(text));
  return true;
});
afterEach(() => lines.splice(0));

describe("logger", () => {
  it.each([
    ["debug", "debug"],
    ["log", "info"],
    ["info", "info"],
    ["warn", "warn"],
    ["error", "error"],
  ] as const)("%s writes one line of JSON with level %s", (method, level) => {
    logger[method]("two\nlines", { n: 1, level: "mine" });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.indexOf("\n")).toBe((lines[0]?.length ?? 0) - 1);
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      time: expect.any(String),
      level,
      message: "two\nlines",
      n: 1,
    });
  });

  it("time, level and message are the first fields of a line", () => {
    logger.info("hi", { n: 1 });
    expect(Object.keys(JSON.parse(lines[0] ?? ""))).toEqual(["time", "level", "message", "n"]);
  });

  it("the logger does not fail because of what it is given", () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    logger.info("circle", circle);
    logger.info("values", { big: 10n, error: new Error("boom") });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      message: "circle",
      loggerError: expect.stringContaining("circular"),
    });
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({
      big: "10",
      error: { name: "Error", message: "boom" },
    });
  });
});
