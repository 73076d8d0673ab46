import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packArchive } from "@fairlead/protocol/archive";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fetchBundle } from "./bundle.ts";

let server: Server;
let origin: string;
const objects = new Map<string, Uint8Array>();
const made: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const object = objects.get((request.url ?? "").slice(1));
    response.writeHead(object ? 200 : 404).end(object);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  for (const folder of made) rmSync(folder, { recursive: true });
  await new Promise((resolve) => server.close(resolve));
});

const urlsOf = async (parts: readonly string[]) =>
  Object.fromEntries(parts.map((part) => [part, `${origin}/${part}`]));

function store(bytes: Uint8Array, name = createHash("sha256").update(bytes).digest("hex")): string {
  objects.set(name, bytes);
  return name;
}

const archive = (files: Record<string, string>): Buffer =>
  gzipSync(packArchive(Object.entries(files).map(([path, text]) => ({ path, content: Buffer.from(text) }))));

async function fetched(...given: Parameters<typeof fetchBundle>): Promise<string> {
  const folder = await fetchBundle(...given);
  made.push(folder);
  return folder;
}

test("code and packages lie in one folder, parts are put together", async () => {
  const code = archive({ "src/a.mjs": "export const a = 1;" });
  const [first, second] = [store(code.subarray(0, 40)), store(code.subarray(40))];
  const dependencies = [store(archive({ "node_modules/b/index.js": "module.exports = 2;" }))];
  const folder = await fetched({ code: [first, second], dependencies }, urlsOf);
  expect(readFileSync(join(folder, "src", "a.mjs"), "utf8")).toBe("export const a = 1;");
  expect(existsSync(join(folder, "node_modules", "b", "index.js"))).toBe(true);
});

test("a part with another content is not unpacked", async () => {
  const wrong = store(archive({ "a.mjs": "evil" }), "a".repeat(64));
  await expect(fetchBundle({ code: [wrong] }, urlsOf)).rejects.toMatchObject({
    message: expect.stringContaining("has another content"),
    retryable: false,
  });
});

test("a part that is gone fails the run for good, an API that does not answer does not", async () => {
  await expect(fetchBundle({ code: ["b".repeat(64)] }, urlsOf)).rejects.toMatchObject({
    message: expect.stringContaining("HTTP 404"),
    retryable: false,
  });
  const down = () => Promise.reject(new Error("down"));
  await expect(fetchBundle({ code: ["b".repeat(64)] }, down)).rejects.toMatchObject({ retryable: true });
});

test.each([
  ["no gzip", Buffer.from("text")],
  ["no archive", gzipSync(Buffer.from("text"))],
  [
    "an archive with a file twice",
    gzipSync(
      Buffer.concat([
        packArchive([{ path: "a", content: Buffer.from("1") }]).subarray(0, 1024),
        packArchive([{ path: "a", content: Buffer.from("2") }]),
      ]),
    ),
  ],
])("%s is refused", async (_what, bytes) => {
  await expect(fetchBundle({ code: [store(bytes)] }, urlsOf)).rejects.toMatchObject({
    message: expect.stringContaining("bundle: cannot be unpacked"),
  });
});
