/**
 * `fairlead` as a process, against a server that answers as the API does: what is sent, what is printed, and
 * with which code it ends. The API itself is in test/e2e/cli.test.ts.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { repoRoot } from "../../../hack/lib/paths.ts";

interface Seen {
  method: string;
  url: string;
  body: string;
  key?: string;
}

let server: Server;
let url: string;
let seen: Seen[];
let answers: { status: number; body: unknown; type?: string }[];

beforeAll(async () => {
  server = createServer(async (request: IncomingMessage, response) => {
    seen.push({
      method: request.method ?? "",
      url: request.url ?? "",
      body: await text(request),
      key: request.headers.authorization,
    });
    const {
      status,
      body,
      type = "application/json",
    } = answers.shift() ?? { status: 500, body: { error: "none left" } };
    response
      .writeHead(status, { "content-type": type })
      .end(typeof body === "string" ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  seen = [];
  answers = [];
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function fairlead(
  args: readonly string[],
  options: { input?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  const env = {
    PATH: process.env.PATH,
    HOME: "/nonexistent",
    TRIGGER_API_URL: url,
    TRIGGER_SECRET_KEY: "tr_test",
    ...options.env,
  };
  return new Promise((resolve) => {
    const main = join(repoRoot, "cli", "src", "main.ts");
    const child = execFile(process.execPath, [main, ...args], { env, cwd: "/tmp" }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
    child.stdin?.end(options.input ?? "");
  });
}

const run = {
  id: "run_a",
  status: "COMPLETED",
  taskIdentifier: "t",
  isCompleted: true,
  isSuccess: true,
  tags: [],
  createdAt: "2026-01-01T00:00:00Z",
  durationMs: 5,
};

describe("trigger", () => {
  test("sends the payload with the numbers' own text, and prints the id", async () => {
    answers = [{ status: 200, body: { id: "run_a", isCached: false } }];
    const ended = await fairlead([
      "trigger",
      "a/b",
      '{"n":3544790567247868102}',
      "--tag",
      "x",
      "--queue",
      "q",
    ]);
    expect(ended).toMatchObject({ code: 0, stdout: "run_a\n" });
    expect(seen[0]).toMatchObject({
      method: "POST",
      url: "/api/v1/tasks/a%2Fb/trigger",
      key: "Bearer tr_test",
    });
    expect(seen[0]?.body).toBe(
      '{"payload":{"n":3544790567247868102},"options":{"queue":{"name":"q"},"tags":["x"]}}',
    );
  });

  test("reads stdin", async () => {
    answers = [{ status: 200, body: { id: "run_a", isCached: true } }];
    const ended = await fairlead(["trigger", "t", "-"], { input: "[1]" });
    expect(ended.stdout).toBe("run_a\n");
    expect(ended.stderr).toContain("exists already");
    expect(JSON.parse(seen[0]?.body ?? "")).toMatchObject({ payload: [1] });
  });

  test("--wait ends with 4 when the run fails", async () => {
    const failed = { ...run, status: "FAILED", isSuccess: false, error: { message: "no disk" } };
    answers = [
      { status: 200, body: { id: "run_a", isCached: false } },
      { status: 200, type: "text/event-stream", body: `data: ${JSON.stringify(failed)}\n\n` },
    ];
    const ended = await fairlead(["trigger", "t", "{}", "--wait"]);
    expect(ended.code).toBe(4);
    expect(ended.stderr).toContain("run_a ended as FAILED: no disk");
  });

  test.each([
    [["trigger", "t", "{x"], "payload: not JSON"],
    [["trigger", "t", "{}", "--file", "x.json"], "payload: given as an argument and by --file"],
    [["trigger", "t", "--file", "/nonexistent.json"], "--file: ENOENT"],
    [["trigger", "t", "{}", "--priority", "high"], '--priority: "high" is no number'],
    [["trigger"], "missing required argument 'task'"],
    [["runs", "lst"], "Did you mean list?"],
    [["runs", "list", "--limit", "0"], "--limit must be a whole number from 1"],
    [["runs", "list", "-o", "xml"], "--output"],
    [["queues", "limit", "q"], "limit: give a number, or --reset"],
    [["env", "set"], "nothing to set"],
    [["env", "set", "=x"], "there is no name"],
    [["completion", "tcsh"], "is none of bash, zsh, fish"],
  ])("%j is a wrong command line: nothing is sent", async (args, message) => {
    const ended = await fairlead(args);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain(message);
    expect(seen).toEqual([]);
  });
});

describe("what goes wrong", () => {
  test("the API's words are the error; nothing is tried again", async () => {
    answers = [{ status: 422, body: { error: "payload: too large" } }];
    expect(await fairlead(["trigger", "t", "{}"])).toMatchObject({
      code: 1,
      stderr: "error: payload: too large\n",
    });
    expect(seen).toHaveLength(1);
  });

  test("a wrong key says where it is from", async () => {
    answers = [{ status: 401, body: { error: "Invalid or Missing API key" } }];
    const ended = await fairlead(["whoami"]);
    expect(ended.code).toBe(3);
    expect(ended.stderr).toContain("does not know this key, from the environment");
  });

  test("a 503 is tried again, with the same id", async () => {
    answers = [
      { status: 503, body: { error: "soon" } },
      { status: 200, body: { id: "run_a", isCached: false } },
    ];
    expect(await fairlead(["trigger", "t", "{}"])).toMatchObject({ code: 0 });
    expect(seen).toHaveLength(2);
  });

  test("an address that nobody listens on is named", async () => {
    const ended = await fairlead(["whoami"], { env: { TRIGGER_API_URL: "http://127.0.0.1:1" } });
    expect(ended.code).toBe(3);
    expect(ended.stderr).toContain("http://127.0.0.1:1 cannot be reached");
  });

  test("a server that is no Fairlead is told as such", async () => {
    answers = [{ status: 200, body: "<html>" }];
    const ended = await fairlead(["whoami"]);
    expect(ended.code).toBe(3);
    expect(ended.stderr).toContain("is no Fairlead API");
  });
});

describe("with a kubeconfig in place of a key", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "kubectl-"));
    const encode = (text: string): string => Buffer.from(text).toString("base64");
    const answers = {
      services: { items: [{ metadata: { name: "f-api", namespace: "f" }, spec: { ports: [{ port: 80 }] } }] },
      secret: {
        data: {
          "staging.web": encode("tr_staging"),
          "staging.web.scopes": encode("read"),
          "staging.ci": encode("tr_ci"),
        },
      },
    };
    // It answers as kubectl does, and forwards until it is ended, which it notes.
    const script = `#!${process.execPath}
const [verb, kind] = process.argv.slice(2);
const answers = ${JSON.stringify(answers)};
if (verb === "get") console.log(JSON.stringify(answers[kind]));
else if (verb === "port-forward") {
  const net = require("node:net");
  const forward = net.createServer((client) => {
    const api = net.connect(${new URL(url).port}, "127.0.0.1");
    client.pipe(api).pipe(client);
  });
  forward.listen(0, "127.0.0.1", () => {
    console.log("Forwarding from 127.0.0.1:" + forward.address().port + " -> 8080");
  });
  process.on("SIGTERM", () => {
    require("node:fs").writeFileSync("${join(folder, "ended")}", "");
    process.exit();
  });
}
`;
    writeFileSync(join(folder, "kubectl"), script, { mode: 0o755 });
    writeFileSync(join(folder, "package.json"), '{"type":"commonjs"}');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("the release, a key with all rights and a port are found; the port-forward ends with the command", async () => {
    answers = [{ status: 200, body: { sub: "staging" } }];
    const ended = await fairlead(["--namespace", "staging", "whoami"], { env: { PATH: folder } });
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining("Namespace  staging") });
    expect(seen[0]?.key).toBe("Bearer tr_ci");
    expect(existsSync(join(folder, "ended"))).toBe(true);
  });

  test("a namespace without a key says how to make one", async () => {
    const ended = await fairlead(["--namespace", "other", "whoami"], { env: { PATH: folder } });
    expect(ended).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("fairlead keys create NAME --namespace other"),
    });
  });
});

describe("init", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "init-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("makes a configuration and a task, and changes nothing the second time", async () => {
    expect(await fairlead(["init", folder])).toMatchObject({ code: 0 });
    const made = ["fairlead.config.ts", "trigger/hello.ts", ".gitignore"].map((name) =>
      readFileSync(join(folder, name), "utf8"),
    );
    expect(made[1]).toContain('id: "hello"');
    expect(made[2]).toBe(".fairlead/\n");
    expect((await fairlead(["init", folder])).stderr).toContain("fairlead.config.ts is there already");
    expect(readFileSync(join(folder, ".gitignore"), "utf8")).toBe(".fairlead/\n");
  });

  test("leaves a trigger.config as it is", async () => {
    writeFileSync(join(folder, "trigger.config.ts"), "export default {};");
    expect((await fairlead(["init", folder])).stderr).toContain("trigger.config.ts is there already");
    expect(existsSync(join(folder, "trigger"))).toBe(false);
  });
});

describe("results", () => {
  test("a list goes through the pages, up to --limit", async () => {
    answers = [
      { status: 200, body: { data: [run, { ...run, id: "run_b" }], pagination: { next: "c" } } },
      { status: 200, body: { data: [{ ...run, id: "run_c" }], pagination: {} } },
    ];
    const ended = await fairlead([
      "runs",
      "list",
      "--limit",
      "3",
      "--status",
      "FAILED,CRASHED",
      "--task",
      "t",
    ]);
    expect(ended.stdout.split("\n").map((line) => line.split(" ")[0])).toEqual([
      "ID",
      "run_a",
      "run_b",
      "run_c",
      "",
    ]);
    expect(decodeURIComponent(seen[0]?.url ?? "")).toContain("filter[status]=FAILED,CRASHED");
    expect(decodeURIComponent(seen[1]?.url ?? "")).toContain("page[after]=c");
  });

  test("an empty list leaves stdout empty, and is an empty list in JSON", async () => {
    answers = [{ status: 200, body: { data: [], pagination: {} } }];
    expect(await fairlead(["runs", "list"])).toMatchObject({ code: 0, stdout: "" });
    answers = [{ status: 200, body: { data: [], pagination: {} } }];
    expect((await fairlead(["runs", "list", "-o", "json"])).stdout).toBe("[]\n");
  });

  test("a run in YAML has the API's fields", async () => {
    answers = [{ status: 200, body: run }];
    expect((await fairlead(["runs", "get", "run_a", "-o", "yaml"])).stdout).toContain("taskIdentifier: t\n");
  });

  test("no colours without a terminal", async () => {
    answers = [{ status: 200, body: { ...run, output: { a: 1 } } }];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect((await fairlead(["runs", "get", "run_a"])).stdout).not.toMatch(/\u001b/);
  });

  test("the completion knows every command", async () => {
    const { stdout } = await fairlead(["completion", "bash"]);
    expect(stdout).toContain('"runs") words="list get');
    expect(stdout).toContain('"queues limit") words="--reset');
  });

  test("env set sends no value to the output", async () => {
    answers = [
      { status: 200, body: { sub: "staging" } },
      { status: 200, body: { success: true } },
    ];
    const ended = await fairlead(["env", "set", "TOKEN", "--secret"], { input: "s3cret\n" });
    expect(ended.stdout).toBe("set: TOKEN\n");
    expect(JSON.parse(seen[1]?.body ?? "")).toEqual({
      variables: { TOKEN: "s3cret" },
      override: true,
      isSecret: true,
    });
  });
});
