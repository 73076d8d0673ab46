import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findSettings } from "./connection.ts";

let root: string;
let folder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cli-"));
  folder = join(root, "a", "b");
  mkdirSync(folder, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const both = { TRIGGER_API_URL: "http://env/", TRIGGER_SECRET_KEY: "tr_env" };

describe("address and key", () => {
  test("come from the environment, the slash at the end is dropped", () => {
    expect(findSettings({}, folder, both)).toEqual({
      baseURL: "http://env",
      secretKey: "tr_env",
      source: "the environment",
    });
  });

  test("Fairlead's own names win over Trigger.dev's", () => {
    const env = { ...both, FAIRLEAD_API_URL: "http://own", FAIRLEAD_SECRET_KEY: "tr_own" };
    expect(findSettings({}, folder, env)).toMatchObject({ baseURL: "http://own", secretKey: "tr_own" });
  });

  test("come from .env, and from .fairlead/env of a folder above", () => {
    mkdirSync(join(root, ".fairlead"));
    writeFileSync(
      join(root, ".fairlead", "env"),
      "export TRIGGER_API_URL='http://above'\nexport TRIGGER_SECRET_KEY='tr_above'\n",
    );
    expect(findSettings({}, folder, {})).toMatchObject({ baseURL: "http://above", secretKey: "tr_above" });
    writeFileSync(join(folder, ".env"), "TRIGGER_SECRET_KEY=tr_here\n");
    expect(findSettings({}, folder, {})).toEqual({
      baseURL: "http://above",
      secretKey: "tr_here",
      source: `.env and ${join(root, ".fairlead", "env")}`,
    });
  });

  test("an empty value is none", () => {
    expect(findSettings({}, folder, { TRIGGER_API_URL: "", TRIGGER_SECRET_KEY: "" })).toBeUndefined();
  });

  test("--api-url wins over the environment", () => {
    expect(findSettings({ apiUrl: "http://flag" }, folder, both)?.baseURL).toBe("http://flag");
  });

  test.each([
    [{ TRIGGER_API_URL: "http://x" }, "TRIGGER_SECRET_KEY: not set"],
    [{ TRIGGER_SECRET_KEY: "tr_x" }, "TRIGGER_API_URL: not set"],
  ])("of %o the missing one is named", (env, message) => {
    expect(() => findSettings({}, folder, env)).toThrow(message);
  });

  test("an --env-file that is not there is named", () => {
    expect(() => findSettings({ envFile: "none" }, folder, both)).not.toThrow("Cannot");
    expect(() => findSettings({ envFile: "none" }, folder, {})).toThrow(
      `--env-file: there is no file ${join(folder, "none")}`,
    );
  });
});
