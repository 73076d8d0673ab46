import { describe, expect, test } from "vitest";
import { isLoopback, parseRegistry } from "./registry.ts";

describe("parseRegistry", () => {
  test.each([
    ["registry.example.com", "registry.example.com"],
    ["registry.example.com:5000/team/", "registry.example.com:5000/team"],
    ["127.0.0.1:5000", "127.0.0.1:5000"],
    ["localhost/fairlead", "localhost/fairlead"],
    ["[::1]:5000/a_b/c-d", "[::1]:5000/a_b/c-d"],
  ])("the registry %s is accepted", (text, expected) => {
    expect(parseRegistry(text)).toBe(expected);
  });

  test.each([
    ["", "a registry must follow"],
    ["--load", "a registry must follow"],
    ["https://registry.example.com", "leave out the scheme"],
    ["team", "docker.io/team"],
    ["Registry.example.com", "no host name"],
    ["registry.example.com:port/x", "no host name"],
    ["registry.example.com/Team", "no part of a repository's path"],
    ["registry.example.com/team:1", "no part of a repository's path"],
    ["registry.example.com//team", "no part of a repository's path"],
  ])("the registry '%s' is refused", (text, message) => {
    expect(() => parseRegistry(text)).toThrow(message);
  });
});

test.each([
  ["127.0.0.1:5000/operator:1", true],
  ["localhost:5000", true],
  ["[::1]:5000/x", true],
  ["127.0.0.1.example.com/x", false],
  ["registry.example.com/localhost", false],
])("isLoopback(%s) returns %s", (name, expected) => {
  expect(isLoopback(name)).toBe(expected);
});
