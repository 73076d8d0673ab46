import { describe, expect, it } from "vitest";
import { reportOf } from "./sdkApi.ts";

const index = (text: string) => ({ path: "sdk/src/index.d.ts", text });
const module = (name: string, text: string) => ({ path: `sdk/src/${name}.d.ts`, text });

describe("the report of the SDK's surface", () => {
  it("the report of the SDK's surface has the exported declarations by name, and those that they refer to", () => {
    const report = reportOf([
      index('export { type B, a } from "./one";\n'),
      module("one", "export interface B {\n    c: C;\n}\nexport declare const a: {\n    b: B;\n};\n"),
      module("two", "type C = D;\ninterface D {\n    n: number;\n}\nexport interface Unused {\n}\n"),
    ]);
    const [, exported, referred] = report.split("```ts\n").map((part) => part.split("\n```")[0]);
    expect(exported).toBe("export declare const a: {\n    b: B;\n};\nexport interface B {\n    c: C;\n}");
    expect(referred).toBe("type C = D;\ninterface D {\n    n: number;\n}");
  });

  it("the report of the SDK's surface fails for an exported name without a declaration", () => {
    expect(() => reportOf([index('export { a } from "./one";\n')])).toThrow("no declaration of a");
  });

  it("the report of the SDK's surface fails for a name that two modules declare", () => {
    const twice = ["one", "two"].map((name) => module(name, "export type A = 1;\n"));
    expect(() => reportOf([index(""), ...twice])).toThrow("A is declared in another module, too");
  });
});
