/** The chart as a whole: its CRDs, what helm thinks of it, what is in its package. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { run } from "../../../hack/lib/exec.ts";
import { chart, find, helm, images, type Manifest, render } from "./render.ts";

describe("CRDs", () => {
  const files = join(chart, "files/crds");
  const generated = readdirSync(files).map(
    (file) => parse(readFileSync(join(files, file), "utf8")) as Manifest,
  );
  const crdsOf = (manifests: Manifest[]) =>
    manifests.filter(({ kind }) => kind === "CustomResourceDefinition");

  it("CRDs are the generated ones, and stay at uninstall", async () => {
    const crds = crdsOf(await render());
    expect(crds.map(({ metadata }) => metadata.name).sort()).toEqual(
      generated.map(({ metadata }) => metadata.name).sort(),
    );
    for (const expected of generated) {
      const { metadata, ...rest } = find(crds, "CustomResourceDefinition", expected.metadata.name);
      expect(rest).toEqual({ apiVersion: expected.apiVersion, kind: expected.kind, spec: expected.spec });
      expect(metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
    }
  });

  it("CRDs go at uninstall with crds.keep=false", async () => {
    const crds = crdsOf(await render({ crds: { keep: false } }));
    expect(crds).toHaveLength(generated.length);
    for (const { metadata } of crds) expect(metadata).not.toHaveProperty("annotations");
  });

  it("CRDs are left out with crds.install=false", async () => {
    expect(crdsOf(await render({ crds: { install: false } }))).toEqual([]);
  });
});

describe("the chart", () => {
  it("the chart passes `helm lint --strict`", async () => {
    const { code, stdout, stderr } = await helm(["lint", "--strict", chart, "-f", "-"], stringify(images));
    expect(`${stdout}${stderr}`).not.toMatch(/\[(WARNING|ERROR)\]/);
    expect(code).toBe(0);
  });

  it("the chart is packaged with its CRDs and without its tests", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fairlead-chart-"));
    try {
      expect((await helm(["package", chart, "--destination", folder])).code).toBe(0);
      const { stdout } = await run("tar", ["tzf", join(folder, readdirSync(folder)[0] ?? "")]);
      const packaged = stdout.trim().split("\n");
      expect(packaged).toContain("fairlead/files/crds/taskruns.fairlead.dev.yaml");
      expect(packaged).toContain("fairlead/templates/tests/smoke.yaml");
      expect(packaged.filter((file) => file.endsWith(".ts"))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
