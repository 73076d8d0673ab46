import { EventEmitter } from "node:events";
import type { Logger } from "pino";
import { expect, it } from "vitest";
import type { Caller } from "./caller.ts";
import { note, requestLog } from "./requestLog.ts";

interface Sent {
  method: string;
  path?: string;
  caller?: Caller;
  status?: number;
  isAborted?: boolean;
  headers?: Record<string, string>;
  noted?: Record<string, unknown>;
}

function logged(sent: Sent): [Record<string, unknown>, string] {
  const lines: [Record<string, unknown>, string][] = [];
  const log = { info: (fields: Record<string, unknown>, what: string) => lines.push([fields, what]) };
  const { method, path = "/api/v2/runs/run_a/cancel", headers = {}, status = 200 } = sent;
  const request = {
    method,
    path,
    get: (name: string) => headers[name],
    socket: { remoteAddress: "10.0.0.9" },
  };
  const locals: Record<string, unknown> = { caller: sent.caller };
  const response = Object.assign(new EventEmitter(), {
    ...{ locals, statusCode: status, writableFinished: !sent.isAborted, set: () => undefined },
  });
  requestLog(log as unknown as Logger)(request as never, response as never, () => undefined);
  if (sent.noted) note(response as never, sent.noted);
  response.emit("close");
  expect(lines).toHaveLength(1);
  return lines[0] as [Record<string, unknown>, string];
}

const key: Caller = { kind: "key", namespace: "staging", key: "tr_prod_secret", keyName: "key-staging" };
const token: Caller = { ...key, kind: "publicToken", tokenHash: "0123456789abcdef", scopes: ["write:runs"] };

it("a change says who, what and from where, and never the key", () => {
  const noted = { run: "run_b" };
  const [fields, what] = logged({ method: "POST", caller: token, noted, headers: { "x-request-id": "1" } });
  expect(what).toBe("change");
  expect(fields).toMatchObject({
    ...{ requestId: "1", method: "POST", path: "/api/v2/runs/run_a/cancel", status: 200, from: "10.0.0.9" },
    ...{ namespace: "staging", key: "key-staging", token: "0123456789ab", run: "run_b" },
  });
  expect(JSON.stringify(fields)).not.toContain("tr_prod_secret");
});

it.each<[Sent, string]>([
  [{ method: "DELETE", caller: key }, "change"],
  [{ method: "PUT", caller: key, isAborted: true }, "change"],
  [{ method: "POST", caller: key, status: 403 }, "request"],
  [{ method: "POST", status: 401 }, "request"],
  [{ method: "GET", caller: key }, "request"],
])("%j is logged as a %s", (sent, said) => expect(logged(sent)[1]).toBe(said));

it("an address that the client claims is told apart from its own, and cannot break the line", () => {
  const headers = { "x-forwarded-for": `1.2.3.4\n${"x".repeat(500)}` };
  const [{ from, forwardedFor }] = logged({ method: "GET", caller: key, headers });
  expect(from).toBe("10.0.0.9");
  expect(forwardedFor).toMatch(/^1\.2\.3\.4\?x{120}$/);
});

it("a link's token is not logged", () => {
  expect(logged({ method: "PUT", path: "//Objects/secret" })[0].path).toBe("/objects/…");
});
