/**
 * A command's result in the form that `-o` asks for: a table (default), `wide` with more columns, `json` or
 * `yaml` with the API's own fields. Tables are as kubectl's: upper-case names, two or more spaces apart; an
 * empty list says so on stderr, and leaves stdout empty.
 */
import { stringify } from "yaml";
import { usageError } from "./errors.ts";
import { paint, plain, print, say } from "./terminal.ts";

export type Format = "table" | "wide" | "json" | "yaml";

export interface Column<T> {
  name: string;
  of: (row: T) => string | number | boolean | undefined | null;
  /** Shown by `-o wide` only. */
  wide?: boolean;
}

export function formatOf(text: string | undefined): Format {
  if (text === undefined) return "table";
  if (text === "json" || text === "yaml" || text === "wide") return text;
  throw usageError(`--output: "${text}" is none; it must be json, yaml or wide`);
}

export function printList<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  format: Format,
  none: string,
): void {
  printResult(rows, format, () => {
    if (rows.length === 0) say(none);
    else for (const line of tableOf(rows, columns, format === "wide")) print(line);
  });
}

/** The value as JSON or YAML; in the other formats `show` prints it. */
export function printResult(value: unknown, format: Format, show: () => void): void {
  if (format === "yaml") print(stringify(JSON.parse(JSON.stringify(value) ?? "null")).trimEnd());
  else if (format === "json") print(JSON.stringify(value, null, 2));
  else show();
}

/** Lines of a table, the first one its heading. */
export function tableOf<T>(rows: readonly T[], columns: readonly Column<T>[], wide = false): string[] {
  const shown = columns.filter((column) => wide || !column.wide);
  const cells = rows.map((row) => shown.map(({ of }) => plain(String(of(row) ?? ""))));
  const widths = shown.map(({ name }, index) =>
    Math.max(name.length, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  const lineOf = (line: readonly string[]): string =>
    line
      .map((cell, index) => cell.padEnd((widths[index] ?? 0) + 2))
      .join("")
      .trimEnd();
  return [lineOf(shown.map(({ name }) => name)), ...cells.map(lineOf)];
}

const styles: Record<string, "green" | "red" | "yellow" | "cyan"> = {
  COMPLETED: "green",
  FAILED: "red",
  CRASHED: "red",
  SYSTEM_FAILURE: "red",
  TIMED_OUT: "red",
  CANCELED: "yellow",
  EXPIRED: "yellow",
  EXECUTING: "cyan",
};

export const paintStatus = (status: string): string => {
  const style = styles[status];
  return style ? paint(style, status) : status;
};

/** A value as a reader wants it: text as it is, everything else as JSON. */
export const textOf = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value, null, 2);
