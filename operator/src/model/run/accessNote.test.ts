import { accessAnnotation } from "@fairlead/protocol/labels";
import { expect, test } from "vitest";
import { accessIn, accessNote, defaultAccess } from "./accessNote.ts";

test("what a Task says comes back from its Job, and nothing said is the default", () => {
  expect(accessIn(accessNote(["read:runs", "trigger:tasks:mail"]))).toEqual([
    "read:runs",
    "trigger:tasks:mail",
  ]);
  expect(accessIn(accessNote([]))).toEqual([]);
  expect(accessIn(accessNote(undefined))).toEqual(defaultAccess);
  expect(accessIn(undefined)).toEqual(defaultAccess);
});

test.each([
  "",
  "{",
  "null",
  '"read:all"',
  '["admin"]',
  '["read:all", 1]',
  '["read:secrets"]',
  '["*"]',
  "[[]]",
])("a note %j allows nothing", (note) => expect(accessIn({ [accessAnnotation]: note })).toEqual([]));
