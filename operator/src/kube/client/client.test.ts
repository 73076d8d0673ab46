import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig, type V1Pod } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TaskRuns } from "../../model/kinds.ts";
import { Jobs, Namespaces, Pods } from "../resources.ts";
import { type ClientOptions, KubeClient, KubeError, type WatchOptions } from "./client.ts";

interface Seen {
  line: string;
  type?: string;
  authorization?: string;
  body: string;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let client: KubeClient;
let seen: Seen[];
let answers: Answer[];
const writes: string[] = [];

beforeEach(async () => {
  seen = [];
  answers = [];
  writes.length = 0;
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { "content-type": type, authorization } = request.headers;
    seen.push({
      line: `${request.method} ${decodeURIComponent(request.url ?? "")}`,
      type,
      authorization,
      body,
    });
    (answers.shift() ?? json(200, {}))(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = connect();
});

afterEach(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

function connect(options: ClientOptions = {}, path = ""): KubeClient {
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  config.loadFromClusterAndUser(
    { name: "c", server: `http://127.0.0.1:${port}${path}`, skipTLSVerify: true },
    { name: "u", token: "secret" },
  );
  return new KubeClient(config, { onWrite: (phase, what) => writes.push(`${phase} ${what}`), ...options });
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
}

const status = (code: number, reason: string, message: string, headers = {}): Answer =>
  json(code, { kind: "Status", code, reason, message }, headers);

const hangUp: Answer = (request) => request.socket.destroy();

async function failureOf(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(KubeError);
  return error as KubeError;
}

describe("requests", () => {
  test("paths, content types and bodies are Kubernetes'", async () => {
    await client.get(TaskRuns, "ns", "a.b");
    await client.get(Namespaces, undefined, "node1");
    await client.list(Pods, undefined, { labelSelector: "a=b,c", limit: 5, continue: "x/y=" });
    await client.create(Jobs, "ns", { metadata: { name: "j" } }, { fieldManager: "me", dryRun: true });
    await client.replace(TaskRuns, "ns", "r", {} as never, { subresource: "status" });
    await client.patch(Pods, "ns", "p", { spec: {} }, { type: "merge" });
    await client.patch(Pods, "ns", "p", [], { type: "json" });
    await client.patch(TaskRuns, "ns", "r", {}, { type: "apply", force: true, subresource: "status" });
    await client.delete(Jobs, "ns", "j", {
      uid: "u",
      propagationPolicy: "Background",
      gracePeriodSeconds: 0,
    });
    expect(seen.map(({ line, type }) => (type ? `${line} ${type}` : line))).toEqual([
      "GET /apis/fairlead.dev/v1alpha1/namespaces/ns/taskruns/a.b",
      "GET /api/v1/namespaces/node1",
      "GET /api/v1/pods?labelSelector=a=b,c&limit=5&continue=x/y=",
      "POST /apis/batch/v1/namespaces/ns/jobs?fieldManager=me&dryRun=All application/json",
      "PUT /apis/fairlead.dev/v1alpha1/namespaces/ns/taskruns/r/status application/json",
      "PATCH /api/v1/namespaces/ns/pods/p application/merge-patch+json",
      "PATCH /api/v1/namespaces/ns/pods/p application/json-patch+json",
      "PATCH /apis/fairlead.dev/v1alpha1/namespaces/ns/taskruns/r/status?fieldManager=fairlead&force=true application/apply-patch+yaml",
      "DELETE /apis/batch/v1/namespaces/ns/jobs/j application/json",
    ]);
    expect(seen[0]?.authorization).toBe("Bearer secret");
    expect(JSON.parse(seen.at(-1)?.body ?? "")).toEqual({
      kind: "DeleteOptions",
      apiVersion: "v1",
      propagationPolicy: "Background",
      gracePeriodSeconds: 0,
      preconditions: { uid: "u" },
    });
    expect(writes).toEqual([
      "before create Job ns/j",
      "after create Job ns/j",
      "before replace TaskRun ns/r/status",
      "after replace TaskRun ns/r/status",
      "before patch Pod ns/p",
      "after patch Pod ns/p",
      "before patch Pod ns/p",
      "after patch Pod ns/p",
      "before apply TaskRun ns/r/status",
      "after apply TaskRun ns/r/status",
      "before delete Job ns/j",
      "after delete Job ns/j",
    ]);
  });

  test("a path in the server's address is kept", async () => {
    const behind = connect({}, "/k8s/clusters/c-1/");
    await behind.get(Jobs, "ns", "a");
    expect(seen[0]?.line).toBe("GET /k8s/clusters/c-1/apis/batch/v1/namespaces/ns/jobs/a");
    await behind.close();
  });

  test.each(["", "..", ".", "a/b", "a?b", "a#b", "%2e%2e", "x".repeat(254)])(
    "the name %j is refused",
    async (name) => {
      await expect(client.get(Pods, "ns", name)).rejects.toThrow("cannot be the name of a Pod");
      await expect(client.delete(Pods, name, "p")).rejects.toThrow("cannot be the namespace");
      expect(seen).toEqual([]);
    },
  );

  test("an object of a namespaced kind needs its namespace", async () => {
    await expect(client.get(Pods, undefined, "p")).rejects.toThrow("Pod p: a namespace is needed");
    await expect(client.create(Pods, undefined, {})).rejects.toThrow("a namespace is needed");
  });

  test("lists fill in apiVersion and kind, and go through all pages", async () => {
    const page = (name: string, next?: string) =>
      json(200, { metadata: { continue: next }, items: [{ metadata: { name } }] });
    answers.push(page("a", "2"), page("b", "3"), page("c"));
    const pods: V1Pod[] = [];
    for await (const pod of client.listAll(Pods, "ns", { labelSelector: "x" })) pods.push(pod);
    expect(pods.map((p) => `${p.apiVersion} ${p.kind} ${p.metadata?.name}`)).toEqual([
      "v1 Pod a",
      "v1 Pod b",
      "v1 Pod c",
    ]);
    expect(seen.map((s) => s.line.split("?")[1])).toEqual([
      "limit=500&labelSelector=x",
      "limit=500&labelSelector=x&continue=2",
      "limit=500&labelSelector=x&continue=3",
    ]);
  });
});

describe("failures", () => {
  test("a failure names the request, and carries the API server's reason and message", async () => {
    answers.push(status(409, "AlreadyExists", 'jobs "j" already exists'));
    const error = await failureOf(client.create(Jobs, "ns", { metadata: { name: "j" } }));
    expect(error).toMatchObject({ status: 409, reason: "AlreadyExists" });
    expect(error.message).toBe(
      'POST /apis/batch/v1/namespaces/ns/jobs: 409 AlreadyExists: jobs "j" already exists',
    );
    expect(KubeError.is(error, "AlreadyExists")).toBe(true);
    expect(writes).toEqual(["before create Job ns/j"]);
  });

  test("a missing object is no failure, a kind that is not served is one", async () => {
    answers.push(status(404, "NotFound", "no such pod"), status(404, "NotFound", "no such pod"));
    expect(await client.get(Pods, "ns", "p")).toBeUndefined();
    expect(await client.delete(Pods, "ns", "p")).toBe(false);
    answers.push((_request, response) => response.writeHead(404).end("404 page not found\n"));
    const error = await failureOf(client.get(TaskRuns, "ns", "r"));
    expect(error.message).toContain("taskruns/r: 404 NotServed: 404 page not found");
  });

  test("an answer 429 with Retry-After is retried, also for writes; without it, or with too long a time, it is not", async () => {
    const busy = { "retry-after": "0" };
    answers.push(status(429, "TooManyRequests", "busy", busy), status(429, "TooManyRequests", "busy", busy));
    await client.patch(Pods, "ns", "p", {}, { type: "merge" });
    expect(seen).toHaveLength(3);
    answers.push(status(429, "TooManyRequests", "busy", { "retry-after": "30" }));
    expect(await failureOf(client.get(Pods, "ns", "p"))).toMatchObject({
      status: 429,
      retryAfterSeconds: 30,
    });
    answers.push(...Array.from({ length: 9 }, () => status(429, "TooManyRequests", "busy", busy)));
    await failureOf(client.get(Pods, "ns", "p"));
    expect(seen).toHaveLength(3 + 1 + 4);
  });

  test("a read is retried after a lost connection, a write never", async () => {
    answers.push(hangUp, hangUp, json(200, { metadata: { name: "p" } }));
    expect((await client.get(Pods, "ns", "p"))?.metadata?.name).toBe("p");
    expect(seen).toHaveLength(3);
    answers.push(hangUp);
    const error = await failureOf(client.patch(Pods, "ns", "p", {}, { type: "merge" }));
    expect(error).toMatchObject({ status: 0, reason: "ConnectionFailed" });
    expect(seen).toHaveLength(4);
  });

  test("a request without an answer ends within the time limit", async () => {
    answers.push(
      () => {},
      () => {},
    );
    const error = await failureOf(client.get(Pods, "ns", "p", { timeoutMs: 100 }));
    expect(error).toMatchObject({ status: 0, reason: "RequestTimeout" });
    expect(seen).toHaveLength(1);
  });

  test("the caller's abort is thrown as it is", async () => {
    answers.push(() => {});
    const stop = new AbortController();
    const request = client.get(Pods, "ns", "p", { signal: stop.signal });
    setTimeout(() => stop.abort(new Error("enough")), 50);
    await expect(request).rejects.toThrow("enough");
    await expect(client.get(Pods, "ns", "p", { signal: stop.signal })).rejects.toThrow("enough");
  });

  test("what a write hook throws before the write keeps it from being sent", async () => {
    const guarded = connect({
      onWrite: () => {
        throw new Error("not the leader");
      },
    });
    await expect(guarded.delete(Pods, "ns", "p")).rejects.toThrow("not the leader");
    expect(seen).toEqual([]);
    await guarded.close();
  });
});

describe("watch", () => {
  const options = (): WatchOptions => ({
    resourceVersion: "5",
    timeoutSeconds: 60,
    signal: new AbortController().signal,
  });

  async function collect(more: Partial<WatchOptions> = {}): Promise<string[]> {
    const events: string[] = [];
    for await (const { type, object } of client.watch(Pods, "ns", { ...options(), ...more })) {
      events.push(`${type} ${object.metadata?.name}`);
    }
    return events;
  }

  const stream =
    (...parts: (string | Buffer)[]): Answer =>
    async (_request, response) => {
      response.writeHead(200);
      for (const part of parts) {
        response.write(part);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      response.end();
    };
  const event = (type: string, name: string): string =>
    `${JSON.stringify({ type, object: { metadata: { name } } })}\n`;

  test("events are read however the bytes are cut, and a last line without an end is dropped", async () => {
    const bytes = Buffer.from(event("ADDED", "a") + event("MODIFIED", "ä€") + event("BOOKMARK", "b"));
    answers.push(stream(bytes.subarray(0, 10), bytes.subarray(10, 95), bytes.subarray(95), '{"type":"ADD'));
    expect(await collect()).toEqual(["ADDED a", "MODIFIED ä€", "BOOKMARK b"]);
    expect(seen[0]?.line).toBe(
      "GET /api/v1/namespaces/ns/pods?resourceVersion=5&timeoutSeconds=60&watch=true&allowWatchBookmarks=true",
    );
  });

  test("an ERROR event and an error answer are the same failure", async () => {
    const gone = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version: 5 (9)" };
    answers.push(
      stream(event("ADDED", "a"), `${JSON.stringify({ type: "ERROR", object: gone })}\n`),
      json(410, gone),
    );
    for (let i = 0; i < 2; i++) {
      const error = await failureOf(collect());
      expect(KubeError.isExpired(error)).toBe(true);
      expect(error.message).toContain("too old resource version: 5 (9)");
    }
  });

  test("silence beyond the limit is a failure, and an abort ends it at once", async () => {
    const silent: Answer = (_request, response) => void response.writeHead(200).flushHeaders();
    answers.push(silent, silent);
    let opened = 0;
    const onOpen = (): void => {
      opened += 1;
    };
    expect(await failureOf(collect({ idleTimeoutMs: 1_000, onOpen }))).toMatchObject({
      reason: "RequestTimeout",
    });
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error("enough")), 50);
    await expect(collect({ signal: stop.signal, onOpen })).rejects.toThrow("enough");
    expect(opened).toBe(2);
  });
});

test("a pod's log is a stream", async () => {
  answers.push((_request, response) => response.end("line 1\nline 2\n"));
  const stream = await client.podLog("ns", "p", { container: "main", limitBytes: 100 });
  let text = "";
  for await (const chunk of stream) text += Buffer.from(chunk).toString();
  expect(text).toBe("line 1\nline 2\n");
  expect(seen[0]?.line).toBe("GET /api/v1/namespaces/ns/pods/p/log?container=main&limitBytes=100");
  answers.push(status(400, "BadRequest", "container is waiting to start"));
  expect(await failureOf(client.podLog("ns", "p"))).toMatchObject({ status: 400, reason: "BadRequest" });
});
