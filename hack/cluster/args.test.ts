import { expect, test } from "vitest";
import { parseCommand, UsageError } from "./args.ts";

test.each<[string[], object]>([
  [["up"], { name: "up" }],
  [["up", "--nodes", "4"], { name: "up", nodes: 4 }],
  [["load", "a.tar", "b.tar"], { name: "load", archives: ["a.tar", "b.tar"] }],
  [["kill", "node2"], { name: "kill", node: "node2" }],
  [["env"], { name: "env" }],
  [[], { name: "help" }],
])("the arguments %j are understood", (argv, command) => {
  expect(parseCommand(argv)).toEqual(command);
});

test.each<[string[], string]>([
  [["up", "--nodes", "5"], "from 1 to 4"],
  [["up", "--nodes", "0"], "from 1 to 4"],
  [["up", "--nodes", "two"], "from 1 to 4"],
  [["down", "--nodes", "2"], "--nodes belongs to up"],
  [["up", "now"], "unexpected now"],
  [["load"], "which archives"],
  [["kill"], "which node"],
  [["kill", "node1", "node2"], "which node"],
  [["start"], "unknown command start"],
  [["up", "--node", "2"], "--node"],
])("the arguments %j are refused", (argv, message) => {
  expect(() => parseCommand(argv)).toThrow(UsageError);
  expect(() => parseCommand(argv)).toThrow(message);
});
