/** Random requests: every answer is below 500, every refusal has a message, and no run is half created. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { operations } from "../../../operator/src/api/openapi.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

const word = fc.oneof(
  fc.constantFrom(
    "run_abc",
    "batch_x",
    "sched_y",
    "echo",
    "a/b",
    "..",
    "%2F",
    "queue_q",
    "x".repeat(300),
    "é",
    "{}",
  ),
  fc.string({ minLength: 1, maxLength: 20 }),
);
const scalar = fc.oneof(word, fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(tie("value"), { maxLength: 12 }),
    fc.dictionary(fc.oneof(fields(), word), tie("value"), { maxKeys: 8 }),
  ),
}));
function fields() {
  return fc.constantFrom(
    "payload",
    "options",
    "delay",
    "ttl",
    "tags",
    "queue",
    "name",
    "concurrencyLimit",
    "concurrencyKey",
    "items",
    "idempotencyKey",
    "maxAttempts",
    "priority",
    "metadata",
    "payloadType",
    "task",
    "cron",
    "timezone",
    "type",
    "action",
    "runCount",
    "deduplicationKey",
    "taskIdentifier",
    "scopes",
    "index",
    "machine",
    "maxDuration",
  );
}
const options = fc.dictionary(fields(), value, { maxKeys: 6 });
const body = fc.oneof(
  value,
  fc.record({ payload: value, options }),
  fc.record({ items: fc.array(value, { maxLength: 4 }) }),
);

/** Routes of the OpenAPI document, and others. */
const routes = [
  ...operations.map(({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, ":")}`),
  "PUT /objects/:",
  "GET /nothing/:",
];
const query = fc.dictionary(
  fc.constantFrom(
    "page[size]",
    "page[after]",
    "page[before]",
    "filter[status]",
    "filter[createdAt][from]",
    "filter[x]",
    "perPage",
    "page",
    "type",
  ),
  word,
  { maxKeys: 3 },
);
/** A header's value: visible characters. */
const visible = fc.stringMatching(/^[!-~]{1,40}$/);
const headers = fc.dictionary(
  fc.constantFrom(
    "x-trigger-request-idempotency-key",
    "x-trigger-api-version",
    "idempotency-key",
    "idempotency-key-ttl",
    "x-request-id",
    "x-trigger-client",
    "traceparent",
    "content-type",
    "accept",
    "batch-processing-strategy",
    "x-forwarded-host",
    "x-forwarded-proto",
    "content-encoding",
  ),
  fc.oneof(visible, fc.constantFrom("application/x-ndjson", "text/plain; charset=x", "gzip", "1")),
  { maxKeys: 3 },
);
const text = fc.oneof(
  { weight: 8, arbitrary: body.map((one) => JSON.stringify(one) ?? "") },
  { weight: 1, arbitrary: fc.string({ maxLength: 50 }) },
);

test("random invalid requests are refused with a message, and break nothing", {
  timeout: 120_000,
}, async () => {
  const seed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (again: FAIRLEAD_SEED=${seed})`);
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...routes),
      word,
      query,
      text,
      headers,
      async (route, id, parameters, sent, more) => {
        const [method = "", path = ""] = route.split(" ");
        const search = new URLSearchParams(parameters);
        const response = await api.fetch(`${path.replaceAll(":", encodeURIComponent(id))}?${search}`, {
          method,
          ...(method === "GET" ? {} : { body: sent }),
          headers: more,
        });
        const answer = await response.text();
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
        expect(response.status, `${route} ${id} ${search} ${sent}: ${answer}`).toBeLessThan(500);
        if (response.status >= 400) expect(JSON.parse(answer).error, route).toMatch(/\w+/);
      },
    ),
    { numRuns: 1_500, seed },
  );
  console.log(
    [...statuses]
      .sort()
      .map(([status, count]) => `${count} × ${status}`)
      .join(", "),
  );
  expect([...statuses.keys()]).toContain(200);
  // What was created is complete: the API server accepted it, and it names a task.
  for (const run of (await api.client.list(TaskRuns, namespace)).items) expect(run.spec.task).toBeTruthy();
});
