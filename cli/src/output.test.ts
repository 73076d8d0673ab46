import { expect, test } from "vitest";
import { parseExact } from "./exactJson.ts";
import { formatOf, tableOf, textOf } from "./output.ts";
import { age, plain, seconds } from "./terminal.ts";

interface Row {
  name: string;
  count?: number;
}
const columns = [
  { name: "NAME", of: (row: Row) => row.name },
  { name: "COUNT", of: (row: Row) => row.count },
  { name: "MORE", of: () => "x", wide: true },
];

test("a table is as wide as its widest cell; -o wide has more columns", () => {
  const rows = [{ name: "a", count: 1 }, { name: "longer-name" }];
  expect(tableOf(rows, columns)).toEqual(["NAME         COUNT", "a            1", "longer-name"]);
  expect(tableOf(rows, columns, true)[2]).toBe("longer-name         x");
});

test("a cell cannot move the cursor or begin a line", () => {
  expect(tableOf([{ name: "a\u001b[2J\nb" }], columns)[1]).toBe("a[2J b");
  expect(plain("\u009b31m\tx")).toBe("31m x");
});

test("an unknown format is refused by its name", () => {
  expect(() => formatOf("xml")).toThrow('--output: "xml" is none; it must be json, yaml or wide');
});

test("numbers keep their text", () => {
  const text = '{"id":3544790567247868102,"one":1.0,"huge":1e400,"small":5}';
  expect(JSON.stringify(parseExact(text))).toBe(text);
});

test("text is printed as it is, a value as JSON", () => {
  expect(textOf("hello")).toBe("hello");
  expect(textOf({ a: 1 })).toBe('{\n  "a": 1\n}');
});

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [12_340, "12.3 s"],
  [400_000, "6 min 40 s"],
])("%d ms are %s", (milliseconds, text) => {
  expect(seconds(milliseconds)).toBe(text);
});

test.each([
  [5, "5s"],
  [600, "10m"],
  [10_800, "3h"],
  [432_000, "5d"],
  [-5, "0s"],
])("%d seconds ago is %s", (past, text) => {
  expect(age(new Date(1_000_000_000_000), 1_000_000_000_000 + past * 1000)).toBe(text);
});
