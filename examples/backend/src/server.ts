/**
 * A backend that greets people with the task of ../hello-world, and shows the runs and their outputs.
 *
 * The task is imported as a type: its id, payload and output are checked here, while its code stays in its
 * own image. It reaches Fairlead by two variables, TRIGGER_API_URL and TRIGGER_SECRET_KEY.
 */
import type { AddressInfo } from "node:net";
import { ApiError, batch, NotFoundError, runs, tasks } from "@fairlead/sdk";
import express, { type NextFunction, type Request, type Response } from "express";
import type { helloWorld } from "../../hello-world/src/tasks.ts";
import { readName, readNames } from "./input.ts";
import { batchPage, errorPage, homePage, runPage } from "./pages.ts";

const missing = ["TRIGGER_API_URL", "TRIGGER_SECRET_KEY"].filter((name) => !process.env[name]);
if (missing.length > 0) {
  console.error(`Not set: ${missing.join(", ")}. In Fairlead's repository: source .fairlead/env`);
  process.exit(1);
}

/** A browser waits for each answer: the client's own five tries would take ten seconds. */
const patience = { maxAttempts: 2 };

const app = express();
app.use(express.urlencoded(), express.json());

app.get("/", async (_request, response) => {
  const { data } = await runs.list({ taskIdentifier: "hello-world", limit: 20, ...patience });
  response.send(homePage(data));
});

app.post("/greetings", async (request, response) => {
  const name = readName(request.body);
  const { id } = await tasks.trigger<typeof helloWorld>("hello-world", { name }, {}, patience);
  response.redirect(303, `/greetings/${id}`);
});

/** Triggers and answers with the output: for what takes seconds, and a client that waits. */
app.post("/greetings/now", async (request, response) => {
  const name = readName(request.body);
  const signal = AbortSignal.timeout(30_000);
  const run = await tasks.triggerAndPoll<typeof helloWorld>(
    "hello-world",
    { name },
    { pollIntervalMs: 250 },
    { ...patience, signal },
  );
  if (run.isSuccess) response.json(run.output);
  else response.status(500).json({ error: `Run ${run.id} ended ${run.status}: ${run.error?.message}` });
});

app.post("/greetings/batch", async (request, response) => {
  const items = readNames(request.body).map((name) => ({ payload: { name } }));
  const { batchId } = await tasks.batchTrigger<typeof helloWorld>("hello-world", items, {}, patience);
  response.redirect(303, `/batches/${batchId}`);
});

app.get("/batches/:id", async ({ params: { id } }, response) => {
  const found = await batch.retrieve(id, patience);
  const { data } = await runs.list({ batch: id, limit: 100, ...patience });
  response.send(batchPage(found, data));
});

app.get("/greetings/:id.json", async ({ params: { id } }, response) => {
  response.json(await runs.retrieve(id, patience));
});

app.get("/greetings/:id", async ({ params: { id } }, response) => {
  response.send(runPage(await runs.retrieve(id, patience)));
});

/** Express knows an error handler by its four parameters. */
app.use((error: Error, request: Request, response: Response, _next: NextFunction) => {
  const { status, message } = problemOf(error);
  if (status >= 500) console.error(error);
  response.status(status);
  if (request.accepts(["json", "html"]) === "html") response.send(errorPage(status, message));
  else response.json({ error: message });
});

function problemOf(error: Error & { status?: number }): { status: number; message: string } {
  const { message, status = 500 } = error;
  if (error instanceof ApiError && !(error instanceof NotFoundError)) {
    return { status: 502, message: `Fairlead's API: ${message}` };
  }
  if (error.name === "TimeoutError") return { status: 504, message: "The run has not ended in time." };
  // NotFoundError, InputError, and the errors of Express for a body that it cannot read.
  if (status < 500) return { status, message };
  return { status: 500, message: "Something is wrong here; the log has more." };
}

const server = app.listen(Number(process.env.PORT ?? 3000), (error) => {
  if (error) throw error;
  console.log(`http://localhost:${(server.address() as AddressInfo).port}`);
});

/** Requests under way are answered; new ones are not accepted. */
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => server.close());
