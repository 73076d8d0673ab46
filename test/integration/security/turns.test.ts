/** One namespace whose requests hang in the bucket: another one's do not wait for them. */
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { Namespaces } from "../../../operator/src/kube/resources.ts";
import { ApiReplica, key, namespace } from "../../support/servers/apiReplica.ts";

const other = { key: "tr_prod_of_the_other_namespace_0123456789abcdef", namespace: "other" };
/** Above it a payload goes to the bucket. */
const payload = "x".repeat(10_000);
const [atOnce, waiting] = [16, 500];

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  await api.client.create(Namespaces, undefined, { metadata: { name: other.namespace } });
  await api.setKey("other.test", { key: other.key });
  await waitFor("the other namespace's key counts", async () => (await trigger(other.key)).status === 200);
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => api?.stop());

const trigger = (token: string): Promise<Response> =>
  api.fetch("/api/v1/tasks/echo/trigger", {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ payload }),
  });

test("600 triggers that hang in the bucket take the places of their namespace, no others", async () => {
  const { put } = api.bucket;
  const hang = Promise.withResolvers<void>();
  let hanging = 0;
  vi.spyOn(api.bucket, "put").mockImplementation(async (...call) => {
    if (call[0].includes(`/ns/${namespace}/`)) {
      hanging++;
      await hang.promise;
    }
    return put.apply(api.bucket, call);
  });
  const statuses: number[] = [];
  const hostile = Promise.all(
    Array.from({ length: atOnce + waiting + 84 }, async () => {
      const { status, headers } = await trigger(key);
      if (status === 429) expect(headers.get("retry-after")).toBe("1");
      statuses.push(status);
    }),
  );
  // Beside the other namespace it has fewer than alone; its queue holds no more for that.
  await waitFor("the rest is refused", async () => statuses.length >= 84);
  expect(hanging).toBeLessThanOrEqual(atOnce);
  expect((await trigger(other.key)).status).toBe(200);
  hang.resolve();
  await hostile;
  const refused = statuses.filter((status) => status === 429).length;
  expect(refused).toBeGreaterThanOrEqual(84);
  expect(refused).toBeLessThan(84 + atOnce);
  expect(statuses.filter((status) => status === 200).length).toBe(atOnce + waiting + 84 - refused);
});
