/**
 * Environment variables of a namespace: one Secret, changed by concurrent callers; secret values are never
 * shown.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Secrets } from "../../../operator/src/kube/resources.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

const path = `/api/v1/projects/proj_any/envvars/${namespace}`;

async function ask(method: string, more = "", body?: object): Promise<{ status: number; answer: unknown }> {
  const response = await api.fetch(path + more, { method, body: body && JSON.stringify(body) });
  return { status: response.status, answer: await response.json() };
}

test("environment variables are created, read, changed, imported and deleted", async () => {
  expect(await ask("GET")).toEqual({ status: 200, answer: [] });
  expect(await ask("POST", "", { name: "HOST", value: "a" })).toEqual({
    status: 200,
    answer: { success: true },
  });
  expect(await ask("POST", "", { name: "TOKEN", value: "secret", isSecret: true })).toMatchObject({
    status: 200,
  });
  expect(await ask("GET", "/HOST")).toMatchObject({ answer: { name: "HOST", value: "a", isSecret: false } });
  expect(await ask("PUT", "/HOST", { value: "b" })).toMatchObject({ status: 200 });
  expect(await ask("POST", "/import", { variables: { PORT: "1" } })).toMatchObject({ status: 200 });
  expect((await ask("GET")).answer).toEqual([
    { name: "HOST", value: "b", isSecret: false },
    { name: "PORT", value: "1", isSecret: false },
    { name: "TOKEN", value: "<redacted>", isSecret: true },
  ]);
  const secret = await api.client.get(Secrets, namespace, "fairlead-env");
  expect(Buffer.from(secret?.data?.TOKEN ?? "", "base64").toString()).toBe("secret");
  expect(await ask("DELETE", "/HOST")).toMatchObject({ status: 200 });
  expect(await ask("GET", "/HOST")).toMatchObject({ status: 404 });
});

test("an import changes existing variables only with override", async () => {
  await ask("POST", "/import", { variables: { A: "1" } });
  const refused = await ask("POST", "/import", { variables: { A: "2", B: "2" } });
  expect(refused).toEqual({
    status: 422,
    answer: { error: expect.stringMatching(/there already: A\..*override: true/) },
  });
  expect(await ask("GET", "/B")).toMatchObject({ status: 404 });
  await ask("POST", "/import", { variables: { A: "2", B: "2" }, override: true });
  expect(await ask("GET", "/A")).toMatchObject({ answer: { value: "2" } });
});

test("two concurrent writes keep both variables when the Secret does not exist yet", async () => {
  for (let round = 0; round < 5; round++) {
    await api.client.delete(Secrets, namespace, "fairlead-env");
    const names = ["ONE", "TWO"];
    const answers = await Promise.all(names.map((name) => ask("POST", "", { name, value: "x" })));
    const done = names.filter((_, n) => answers[n]?.status === 200);
    const there = ((await ask("GET")).answer as { name: string }[]).map(({ name }) => name);
    expect(there).toEqual(done);
  }
});

test("concurrent writes of several callers with one key keep all variables", async () => {
  const names = Array.from({ length: 5 }, (_, n) => `AT_ONCE_${n}`);
  const answers = await Promise.all(names.map((name) => ask("POST", "", { name, value: "x" })));
  // A caller that lost five conflicts is asked to retry; the client does.
  for (const [n, { status }] of answers.entries()) {
    if (status !== 200) await ask("POST", "", { name: names[n], value: "x" });
  }
  const there = ((await ask("GET")).answer as { name: string }[]).map(({ name }) => name);
  expect(there).toEqual(expect.arrayContaining(names));
});

test.each([
  [{ name: "1A", value: "" }, 422, "letters, digits and _"],
  [{ name: "FAIRLEAD_RUN_ID", value: "" }, 422, "Fairlead's own"],
  [{ name: "A" }, 400, "value"],
])("the request %j is refused", async (body, status, problem) => {
  expect(await ask("POST", "", body)).toEqual({
    status,
    answer: { error: expect.stringContaining(problem) },
  });
});

test("variables of another environment cannot be read or written", async () => {
  const other = await api.fetch("/api/v1/projects/p/envvars/staging");
  expect(other.status).toBe(422);
  expect(await other.json()).toEqual({ error: expect.stringMatching(/"staging" is not this key's.*"prod"/) });
  expect((await api.fetch("/api/v1/projects/p/envvars/prod")).status).toBe(200);
});
