import { describe, expect, it } from "vitest";
import { grants, grantsSome, type Subject, type Verb } from "./scopes.ts";

const run: Subject = { runs: "run_a", tags: ["user:1", "vip"], tasks: "mail", batch: "batch_b" };
const none: Subject = { runs: "run_z", tags: [], tasks: "other" };

describe("what a scope allows", () => {
  it.each<[scope: string, verb: Verb, subject: Subject]>([
    ["read:runs", "read", run],
    ["read:runs:run_a", "read", run],
    ["read:tags:user:1", "read", run],
    ["read:tags", "read", run],
    ["read:tasks:mail", "read", run],
    ["read:batch:batch_b", "read", run],
    ["read:runs", "read", { batch: "batch_b" }],
    ["read:all", "read", run],
    ["admin", "write", run],
    ["write:all", "write", run],
    ["write:tasks:mail", "write", run],
    ["batchTrigger:all", "batchTrigger", { tasks: "mail" }],
    ["write:runs:run_a", "write", { runs: "run_a" }],
    ["trigger:tasks:mail", "trigger", { tasks: "mail" }],
    ["write:tasks", "batchTrigger", { tasks: "mail" }],
  ])("%s allows to %s", (scope, verb, subject) => expect(grants([scope], verb, subject)).toBe(true));

  it.each<[scope: string, verb: Verb, subject: Subject]>([
    ["read:runs:run_a", "read", none],
    ["read:tags:user", "read", run],
    ["read:tags", "read", none],
    ["read:tasks:mai", "read", run],
    ["read:runs:run_a", "write", { runs: "run_a" }],
    ["write:runs", "trigger", { tasks: "mail" }],
    ["write:runs", "read", run],
    ["trigger:tasks:mail", "batchTrigger", { tasks: "mail" }],
    ["write:all", "trigger", { tasks: "mail" }],
    ["read:all", "write", run],
    ["admin:runs", "read", run],
    ["read:queues", "read", run],
    ["read:batch", "read", none],
    ["batchTrigger:tasks:mail", "trigger", { tasks: "mail" }],
    ["trigger:tasks:mail", "read", run],
    // Malformed, or unknown.
    ["", "read", run],
    ["read", "read", run],
    ["read:", "read", run],
    ["READ:RUNS", "read", run],
    ["read:runs:", "read", { runs: "" }],
    ["read:runs:*", "read", run],
    [" read:runs", "read", run],
    ["read:runs,read:tags", "read", run],
    ["*", "read", run],
    ["read:secrets", "read", run],
  ])("%s does not allow to %s", (scope, verb, subject) => expect(grants([scope], verb, subject)).toBe(false));

  it.each([
    ["trigger:tasks:mail", true],
    ["trigger:tasks", true],
    ["write:tasks:mail", true],
    ["admin", true],
    ["write:tasks:", false],
    ["trigger:tasks:", false],
    ["trigger:tasksx", false],
    ["read:tasks", false],
  ])("%s may upload for some task: %s", (scope, allowed) =>
    expect(grantsSome([scope], "trigger", ["tasks"])).toBe(allowed),
  );
});

it.each([
  ["read:tags:a", true],
  ["read:runs", true],
  ["read:all", true],
  ["read:queues", false],
  ["write:runs", false],
])("%s may read some run: %s", (scope, allowed) =>
  expect(grantsSome([scope], "read", ["runs", "tags", "tasks", "batch"])).toBe(allowed),
);
