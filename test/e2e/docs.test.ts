/**
 * README and docs/ as a reader types them: the marked snippets of each page (hack/docs/snippets.ts) in one
 * shell, in a namespace and a folder of their own that look as `npm start` leaves them. Every other manifest
 * of ours is offered to the API server, and TypeScript is compiled.
 */
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Page, parsePage } from "../../hack/docs/page.ts";
import {
  missingLine,
  modules,
  outputOf,
  sessionScript,
  shownManifests,
  stepsOf,
} from "../../hack/docs/snippets.ts";
import { run, tryRun } from "../../hack/lib/exec.ts";
import { repoRoot } from "../../hack/lib/paths.ts";
import { ApiAccess } from "../support/release/apiAccess.ts";
import { imageOf } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

const pages = new Map<string, Page>(
  ["README.md", "docs/**/*.md", "examples/*/README.md"]
    .flatMap((pattern) => globSync(pattern, { cwd: repoRoot }))
    .map((path) => [path, parsePage(readFileSync(join(repoRoot, path), "utf8"))]),
);
const typed = [...pages].filter(([, page]) => stepsOf(page).length > 0).map(([path]) => path);
const shown = [...pages].filter(([, page]) => shownManifests(page).length > 0).map(([path]) => path);

/** A namespace and a folder as a reader has them after `npm start` and `source .fairlead/env`. */
class Reader {
  readonly #namespace: TestNamespace;
  readonly #api: ApiAccess;
  readonly #folder: string;

  private constructor(namespace: TestNamespace, api: ApiAccess, folder: string) {
    this.#namespace = namespace;
    this.#api = api;
    this.#folder = folder;
  }

  static async create(): Promise<Reader> {
    const namespace = await TestNamespace.create("docs");
    const api = await ApiAccess.open(namespace.name);
    const folder = mkdtempSync(join(tmpdir(), "fairlead-docs-"));
    for (const entry of readdirSync(repoRoot).filter((name) => name !== ".git" && name !== ".fairlead")) {
      symlinkSync(join(repoRoot, entry), join(folder, entry));
    }
    mkdirSync(join(folder, ".fairlead"));
    symlinkSync(join(repoRoot, ".fairlead", "images.json"), join(folder, ".fairlead", "images.json"));
    const kubeconfig = join(folder, ".fairlead", "kubeconfig");
    const { stdout } = await run("kubectl", ["config", "view", "--flatten", "--raw"]);
    writeFileSync(kubeconfig, stdout, { mode: 0o600 });
    await run("kubectl", [
      "config",
      "set-context",
      "--current",
      "--kubeconfig",
      kubeconfig,
      "--namespace",
      namespace.name,
    ]);
    const env = { KUBECONFIG: kubeconfig, TRIGGER_API_URL: api.url, TRIGGER_SECRET_KEY: api.key };
    const lines = Object.entries(env).map(([name, value]) => `export ${name}='${value}'\n`);
    writeFileSync(join(folder, ".fairlead", "env"), lines.join(""));
    const tasks = readFileSync(join(repoRoot, "examples/hello-world/task.yaml"), "utf8");
    await run("kubectl", ["--namespace", namespace.name, "apply", "-f", "-"], {
      input: tasks.replaceAll("fairlead.local/hello-world:dev", imageOf("hello-world")),
    });
    return new Reader(namespace, api, folder);
  }

  /** What the whole script printed, and how bash ended. */
  async type(script: string): Promise<{ code: number; text: string }> {
    const { code, stdout } = await tryRun("bash", ["-c", `source .fairlead/env\n${script}`], {
      cwd: this.#folder,
      timeoutMs: 4 * 60_000,
    });
    return { code, text: stdout };
  }

  async leave(): Promise<void> {
    await this.#api.close();
    await this.#namespace.remove();
    rmSync(this.#folder, { recursive: true });
  }
}

test("README and the pages for users have snippets that are typed", () => {
  expect(typed).toContain("README.md");
  // The last one is written by another test.
  const withoutAny = [...pages.keys()].filter(
    (path) => path.startsWith("docs/use/") && !typed.includes(path),
  );
  expect(withoutAny).toEqual(["docs/use/compatibility.md"]);
});

describe.concurrent("a page typed as it stands", () => {
  test.each(typed)("%s does what it says", { timeout: 5 * 60_000 }, async (path) => {
    const steps = stepsOf(pages.get(path) as Page);
    const reader = await Reader.create();
    try {
      const { code, text } = await reader.type(sessionScript(steps));
      for (const step of steps) {
        const printed = outputOf(step, text);
        const place = `${path}:${step.line}`;
        if (printed === undefined) throw new Error(`${place} was not reached: exit code ${code}\n${text}`);
        const missing = missingLine(step.expected, printed);
        expect(missing, `${place} printed\n${printed}`).toBeUndefined();
      }
      expect(code, text).toBe(0);
    } finally {
      await reader.leave();
    }
  });
});

test("TypeScript on the pages compiles", { timeout: 60_000 }, async () => {
  // Inside of the repository: there the packages are, @fairlead/sdk as its sources.
  const folder = join(repoRoot, ".fairlead", "docs-snippets");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.json", include: ["*.ts"] }),
  );
  writeFileSync(join(folder, "tasks.ts"), 'export * from "../../examples/hello-world/src/tasks.ts";\n');
  for (const [path, page] of pages) {
    for (const { text, line } of modules(page)) {
      writeFileSync(join(folder, `${path.replaceAll("/", "-")}-line-${line}.ts`), text);
    }
  }
  const { stdout } = await tryRun(join(repoRoot, "node_modules", ".bin", "tsc"), ["--project", folder], {
    cwd: repoRoot,
  });
  expect(stdout).toBe("");
});

describe("a manifest that is only shown", () => {
  let namespace: TestNamespace;
  beforeAll(async () => {
    namespace = await TestNamespace.create("docs-shown");
  });
  afterAll(() => namespace.remove());

  test.each(shown)("the API server accepts the manifests in %s", async (path) => {
    for (const { text, line } of shownManifests(pages.get(path) as Page)) {
      const args = ["--namespace", namespace.name, "apply", "--dry-run=server", "-f", "-"];
      const { code, stderr } = await tryRun("kubectl", args, { input: text });
      expect(code, `${path}:${line}: ${stderr}`).toBe(0);
    }
  });
});
