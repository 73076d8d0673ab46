/**
 * Schedules as Trigger.dev's clients manage them. One that is created here is a TaskSchedule whose name comes
 * from its deduplication key: creating it again changes it. A schedule's id is `sched_` and the name of its
 * TaskSchedule; those that are declared (in a Task, with kubectl) are listed, activated and deactivated, but
 * not changed or deleted.
 */
import { idPrefix, scheduleId } from "@fairlead/protocol/ids";
import { originLabel } from "@fairlead/protocol/labels";
import { type Request, type Response, Router } from "express";
import { z } from "zod";
import type { KubeClient } from "../kube/client/client.ts";
import { KubeError } from "../kube/client/client.ts";
import { type EnvironmentType, triggerEnvironments } from "../model/environment.ts";
import { requestName } from "../model/keys/names.ts";
import { TaskSchedules } from "../model/kinds.ts";
import { apiVersion, type TaskSchedule } from "../model/resources.ts";
import { CronExpression, CronProblem } from "../model/schedule/cron.ts";
import { manageOr } from "./auth/rights.ts";
import { loadEnvironment } from "./environment.ts";
import { callerIn } from "./http/caller.ts";
import { bodyOf, countOf, nameIn, param } from "./http/input.ts";
import { notFound, Problem, refusal } from "./http/problem.ts";
import { note } from "./http/requestLog.ts";

export interface ScheduleDeps {
  client: Pick<KubeClient, "create" | "get" | "patch" | "delete" | "listAll">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export const scheduleBody = z.strictObject({
  task: z.string().min(1).max(128),
  cron: z.string().min(1).max(128),
  timezone: z.string().min(1).max(64).optional(),
  externalId: z.string().min(1).max(128).optional(),
  window: z.undefined({ error: "not supported by Fairlead: leave it out" }).optional(),
});
export const scheduleCreateBody = scheduleBody.extend({ deduplicationKey: z.string().min(1).max(128) });
const listLimit = 10_000;

/** Asked for without a key. */
export function timezonesRouter(): Router {
  const router = Router();
  router.get("/api/v1/timezones", (request, response) => {
    const zones = Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC");
    response.json({ timezones: request.query.excludeUtc === "true" ? zones : ["UTC", ...zones] });
  });
  return router;
}

export function schedulesRouter(deps: ScheduleDeps): Router {
  const router = Router();

  router.get("/api/v1/schedules", manageOr("read", "schedules"), async (request, response) => {
    const { namespace } = callerIn(response);
    const perPage = countOf(request, "perPage", 25, 100);
    const page = countOf(request, "page", 1, listLimit);
    const schedules: TaskSchedule[] = [];
    for await (const schedule of deps.client.listAll(TaskSchedules, namespace)) {
      schedules.push(schedule);
      if (schedules.length >= listLimit) break;
    }
    schedules.sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
    const { type } = await loadEnvironment(deps.client, namespace);
    const shown = schedules.slice((page - 1) * perPage, page * perPage);
    response.json({
      data: shown.map((schedule) => scheduleObject(schedule, type, deps.clock())),
      pagination: {
        currentPage: page,
        totalPages: Math.ceil(schedules.length / perPage),
        count: schedules.length,
      },
    });
  });

  router.post("/api/v1/schedules", manageOr("write", "schedules"), async (request, response) => {
    const { namespace } = callerIn(response);
    const { deduplicationKey, ...spec } = await bodyOf(scheduleCreateBody, request);
    checkTimes(spec);
    const name = requestName(namespace, "schedule", deduplicationKey);
    const body = {
      apiVersion,
      kind: "TaskSchedule",
      metadata: { name, namespace, labels: { [originLabel]: "api" } },
      spec: { ...spec, deduplicationKey },
    };
    try {
      await answer(deps, response, await deps.client.create(TaskSchedules, namespace, body));
    } catch (error) {
      if (!KubeError.is(error, "AlreadyExists")) throw error;
      await answer(deps, response, await change(deps, namespace, name, spec));
    }
  });

  router.get("/api/v1/schedules/:id", manageOr("read", "schedules"), async (request, response) => {
    await answer(deps, response, await find(deps, request, response));
  });

  router.put("/api/v1/schedules/:id", manageOr("write", "schedules"), async (request, response) => {
    const { namespace, name } = demandOwn(await find(deps, request, response)).metadata;
    const spec = await bodyOf(scheduleBody, request);
    checkTimes(spec);
    await answer(deps, response, await change(deps, namespace, name, spec));
  });

  router.delete("/api/v1/schedules/:id", manageOr("write", "schedules"), async (request, response) => {
    const { namespace, name, uid } = demandOwn(await find(deps, request, response)).metadata;
    await deps.client.delete(TaskSchedules, namespace, name, { uid });
    response.json({ id: scheduleId(name) });
  });

  for (const [action, active] of [
    ["activate", true],
    ["deactivate", false],
  ] as const) {
    router.post(
      `/api/v1/schedules/:id/${action}`,
      manageOr("write", "schedules"),
      async (request, response) => {
        const { namespace, name } = (await find(deps, request, response)).metadata;
        const status = { override: { active, at: new Date(deps.clock()).toISOString() } };
        const options = { type: "merge" as const, subresource: "status" };
        await answer(
          deps,
          response,
          await deps.client.patch(TaskSchedules, namespace, name, { status }, options),
        );
      },
    );
  }

  return router;
}

async function answer(
  { client, clock }: ScheduleDeps,
  response: Response,
  schedule: TaskSchedule,
): Promise<void> {
  const { type } = await loadEnvironment(client, schedule.metadata.namespace);
  note(response, { schedule: schedule.metadata.name });
  response.json(scheduleObject(schedule, type, clock()));
}

function checkTimes({ cron, timezone }: { cron: string; timezone?: string }): void {
  try {
    new CronExpression(cron, timezone);
  } catch (error) {
    if (error instanceof CronProblem) throw new Problem(422, error.message.replace(/^spec\./, ""));
    throw error;
  }
}

async function find({ client }: ScheduleDeps, request: Request, response: Response): Promise<TaskSchedule> {
  const name = nameIn(param(request, "id"), idPrefix.schedule);
  const isName = /^[a-z0-9]([-a-z0-9.]{0,45}[a-z0-9])?$/.test(name);
  const found = isName ? await client.get(TaskSchedules, callerIn(response).namespace, name) : undefined;
  if (!found) throw notFound(`schedule ${scheduleId(name)}`);
  return found;
}

/** A schedule that was declared in the cluster is changed there. */
function demandOwn(schedule: TaskSchedule): TaskSchedule {
  if (schedule.metadata.labels?.[originLabel] === "api") return schedule;
  throw new Problem(
    422,
    `${scheduleId(schedule.metadata.name)} is declared in the cluster: change it there, or deactivate it`,
  );
}

/** The task cannot change: the API server refuses another one. */
async function change(
  { client }: ScheduleDeps,
  namespace: string,
  name: string,
  { task, cron, timezone, externalId }: z.infer<typeof scheduleBody>,
): Promise<TaskSchedule> {
  const spec = { task, cron, timezone: timezone ?? null, externalId: externalId ?? null };
  try {
    return await client.patch(TaskSchedules, namespace, name, { spec }, { type: "merge" });
  } catch (error) {
    throw refusal(error);
  }
}

export function scheduleObject(
  { metadata, spec, status = {} }: TaskSchedule,
  environment: EnvironmentType,
  nowMs: number,
) {
  const isDeclared = metadata.labels?.[originLabel] !== "api";
  return {
    id: scheduleId(metadata.name),
    type: isDeclared ? "DECLARATIVE" : "IMPERATIVE",
    task: spec.task,
    active: status.override?.active ?? !spec.paused,
    deduplicationKey: spec.deduplicationKey ?? metadata.name,
    externalId: spec.externalId,
    generator: { type: "CRON", expression: spec.cron, description: spec.cron },
    timezone: spec.timezone ?? "UTC",
    nextRun: nextRunOf(spec, nowMs),
    environments: [{ id: metadata.namespace, type: triggerEnvironments[environment] }],
  };
}

function nextRunOf({ cron, timezone }: TaskSchedule["spec"], nowMs: number): string | undefined {
  try {
    const [next] = new CronExpression(cron, timezone).after(nowMs, 1);
    return next === undefined ? undefined : new Date(next).toISOString();
  } catch {
    return undefined;
  }
}
