import { expect, test } from "vitest";
import { matchesLabels } from "./labelSelector.ts";

test.each([
  [undefined, true],
  ["", true],
  ["app=x", true],
  ["app==x,fairlead.dev/run=r", true],
  ["app=y", false],
  ["app!=y", true],
  ["app!=x", false],
  ["other!=x", true],
  ["app", true],
  ["!app", false],
  ["!other,app=x", true],
  ["constructor", false],
  ["app in (x)", false],
])("%s: %s", (selector, expected) => {
  expect(matchesLabels(selector, { app: "x", "fairlead.dev/run": "r" })).toBe(expected);
});
