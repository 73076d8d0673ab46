import { describe, expect, it } from "vitest";
import { readEnvironment } from "./environment.ts";

const date = "2026-01-01T00:00:00.000Z";
const variables = {
  FAIRLEAD_API_URL: "http://api:8080/",
  FAIRLEAD_TOKEN_FILE: "/token",
  FAIRLEAD_ATTEMPT: "2",
  FAIRLEAD_POD_UID: "uid",
  FAIRLEAD_TASK_ID: "hello",
  FAIRLEAD_CTX: JSON.stringify({
    run: { createdAt: date, startedAt: date },
    attempt: { number: 2, startedAt: date },
  }),
};

describe("readEnvironment", () => {
  it("readEnvironment has a default for what may be absent", () => {
    expect(readEnvironment(variables)).toMatchObject({
      apiUrl: "http://api:8080",
      attempt: 2,
      entry: "/app/tasks.mjs",
      gracePeriodMs: 30_000,
      terminationLog: "/dev/termination-log",
      ctx: { run: { createdAt: new Date(date) }, attempt: { startedAt: new Date(date) } },
    });
  });

  it.each(Object.keys(variables))("readEnvironment names %s when it is missing", (name) => {
    expect(() => readEnvironment({ ...variables, [name]: "" })).toThrow(`${name}: not set`);
  });

  it.each(["0", "1.5", "first"])("refuses attempt %s", (value) => {
    expect(() => readEnvironment({ ...variables, FAIRLEAD_ATTEMPT: value })).toThrow(
      `FAIRLEAD_ATTEMPT: "${value}" is not an integer from 1`,
    );
  });

  it("readEnvironment says what is wrong with the context", () => {
    expect(() => readEnvironment({ ...variables, FAIRLEAD_CTX: "{" })).toThrow(
      "FAIRLEAD_CTX: not the run's context",
    );
  });
});
