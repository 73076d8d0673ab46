/** examples/backend as its users use it: a process, a browser's forms and links, curl. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tryRun } from "../../hack/lib/exec.ts";
import { repoRoot } from "../../hack/lib/paths.ts";
import { waitFor } from "../../hack/lib/wait.ts";
import { ApiAccess } from "../support/release/apiAccess.ts";
import { imageOf, task } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

const folder = `${repoRoot}/examples/backend`;
const waiting = { timeoutMs: 60_000, intervalMs: 200 };

/** `node src/server.ts`, at the address that it prints. */
class Backend {
  readonly url: string;
  /** Its standard error. */
  readonly log: () => string;
  readonly #child: ChildProcess;

  private constructor(url: string, log: () => string, child: ChildProcess) {
    this.url = url;
    this.log = log;
    this.#child = child;
  }

  static async start(env: { TRIGGER_API_URL: string; TRIGGER_SECRET_KEY: string }): Promise<Backend> {
    const child = spawn(process.execPath, ["src/server.ts"], {
      cwd: folder,
      env: { ...process.env, PORT: "0", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    child.stderr.on("data", (data: Buffer) => {
      log += data.toString();
    });
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith("http://")) return new Backend(line, () => log, child);
    }
    throw new Error(`examples/backend ended without an address: ${log}`);
  }

  /** Its exit code after a SIGTERM. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      await ended;
    }
    return this.#child.exitCode;
  }

  /** As a browser: asks for HTML and follows redirects. */
  async page(path: string): Promise<{ status: number; html: string }> {
    const response = await fetch(this.url + path, { headers: { accept: "text/html" } });
    return { status: response.status, html: await response.text() };
  }

  /** Submits a form; does not follow the redirect. */
  post(path: string, fields: Record<string, string>): Promise<Response> {
    return fetch(this.url + path, { method: "POST", body: new URLSearchParams(fields), redirect: "manual" });
  }

  /** The page once it has stopped refreshing itself. */
  settled(path: string): Promise<string> {
    return waitFor(
      `${path} stops refreshing`,
      async () => {
        const { status, html } = await this.page(path);
        expect(status).toBe(200);
        return html.includes('http-equiv="refresh"') ? undefined : html;
      },
      waiting,
    );
  }
}

let ns: TestNamespace;
let api: ApiAccess;
let backend: Backend;
beforeAll(async () => {
  ns = await TestNamespace.create("backend");
  await ns.apply(task("hello-world", { image: imageOf("hello-world"), maxDurationSeconds: 60 }));
  api = await ApiAccess.open(ns.name);
  backend = await Backend.start({ TRIGGER_API_URL: api.url, TRIGGER_SECRET_KEY: api.key });
});
afterAll(async () => {
  await backend?.stop();
  await api?.close();
  await ns?.remove();
});

test("a submitted form triggers a run, which its page, its JSON and the list show escaped", async () => {
  const name = `<script>alert("Ada")</script>`;
  expect((await backend.page("/")).html).toContain('action="/greetings"');
  const sent = await backend.post("/greetings", { name });
  expect(sent.status).toBe(303);
  const path = sent.headers.get("location") ?? "";
  expect(path).toMatch(/^\/greetings\/run_\w+$/);

  const html = await backend.settled(path);
  expect(html).toContain("<strong>COMPLETED</strong>");
  expect(html).toContain("Hello, &#60;script&#62;");
  expect(html).not.toContain("<script");

  const response = await fetch(`${backend.url}${path}.json`);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  expect(await response.json()).toMatchObject({
    id: path.replace("/greetings/", ""),
    status: "COMPLETED",
    payload: { name },
    output: { greeting: `Hello, ${name}!` },
  });
  await waitFor(
    "the list has the run",
    async () => {
      const { html } = await backend.page("/");
      return html.includes(`href="${path}"`) && html.includes("<td>COMPLETED</td>");
    },
    waiting,
  );
});

test("a request that waits returns the output", async () => {
  const response = await backend.post("/greetings/now", { name: "Grace" });
  expect([response.status, await response.json()]).toEqual([200, { greeting: "Hello, Grace!" }]);
});

test("several names make a batch, whose page links to each run", async () => {
  const sent = await backend.post("/greetings/batch", { names: "Ada\r\nGrace\r\n\r\nAlan\r\n" });
  expect(sent.status).toBe(303);
  const html = await backend.settled(sent.headers.get("location") ?? "");
  expect(html).toContain("<strong>COMPLETED</strong>, 3 runs");
  const paths = [...html.matchAll(/href="(\/greetings\/run_[^"]+)"/g)].map(([, path = ""]) => path);
  const pages = await Promise.all(paths.map((path) => backend.settled(path)));
  const greeted = pages.map((page) => /Hello, (\w+)!/.exec(page)?.[1]);
  expect(greeted.sort()).toEqual(["Ada", "Alan", "Grace"]);
});

test("a run that failed shows its error", async () => {
  // No form sends this: the task cannot read a name of null.
  const body = JSON.stringify({ payload: null, options: { maxAttempts: 1 } });
  const triggered = await api.fetch("/api/v1/tasks/hello-world/trigger", { method: "POST", body });
  const { id } = (await triggered.json()) as { id: string };
  const html = await backend.settled(`/greetings/${id}`);
  expect(html).toContain("<strong>FAILED</strong>");
  expect(html).toContain("TypeError: Cannot read properties of null");
});

test("invalid input is refused with the field's name", async () => {
  const refused = async (path: string, fields: Record<string, string>) => {
    const response = await backend.post(path, fields);
    return [response.status, ((await response.json()) as { error: string }).error];
  };
  expect(await refused("/greetings", { name: "  " })).toEqual([400, "name: a name is needed"]);
  expect(await refused("/greetings", {})).toEqual([400, "name: a name is needed"]);
  expect(await refused("/greetings/now", { name: "x".repeat(101) })).toEqual([
    400,
    "name: 101 characters, at most 100 are allowed",
  ]);
  expect(await refused("/greetings/batch", { names: "\n" })).toEqual([
    400,
    "names: 1 to 50 names are needed",
  ]);
});

test("an unknown run or batch is a 404, as a page and as JSON", async () => {
  const { status, html } = await backend.page("/greetings/run_nobody");
  expect(status).toBe(404);
  expect(html).toContain("There is no run run_nobody.");
  const response = await fetch(`${backend.url}/greetings/run_nobody.json`);
  expect([response.status, await response.json()]).toEqual([404, { error: "There is no run run_nobody." }]);
  expect((await backend.page("/batches/batch_nobody")).status).toBe(404);
});

test.each([
  ["refuses the key", () => ({ TRIGGER_SECRET_KEY: "tr_prod_wrong" }), "Invalid or Missing API key"],
  [
    "does not answer",
    () => ({ TRIGGER_API_URL: "http://127.0.0.1:1" }),
    "http://127.0.0.1:1 does not answer",
  ],
])("an API that %s leads to a 502 that says so", async (_what, change, message) => {
  const broken = await Backend.start({
    TRIGGER_API_URL: api.url,
    TRIGGER_SECRET_KEY: api.key,
    ...change(),
  });
  try {
    const { status, html } = await broken.page("/");
    expect(status).toBe(502);
    expect(html).toContain(message);
    expect(broken.log()).toContain(message);
    const response = await broken.post("/greetings", { name: "Ada" });
    expect(response.status).toBe(502);
  } finally {
    expect(await broken.stop()).toBe(0);
  }
});

test.each(["TRIGGER_API_URL", "TRIGGER_SECRET_KEY"])(
  "the backend does not start without %s",
  async (name) => {
    const env = { TRIGGER_API_URL: api.url, TRIGGER_SECRET_KEY: api.key, PORT: "0", [name]: undefined };
    const { code, stderr } = await tryRun(process.execPath, ["src/server.ts"], {
      cwd: folder,
      env,
      timeoutMs: 30_000,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^Not set: ${name}\\.`, "m"));
  },
);
