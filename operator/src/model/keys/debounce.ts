/**
 * Debouncing: triggers with the same key, while the run of the first one is still delayed, move its start
 * instead of making more runs. Where its start would come later than `maxDelay` after the first trigger, the
 * run is left alone and the next trigger makes another.
 *
 * The runs of a key are numbered (`generation`) and named by their numbers, so that of two first triggers at
 * once the API server lets one create it. https://trigger.dev/docs/triggering describes the option.
 */
import { debouncedRequestsAnnotation } from "@fairlead/protocol/labels";
import type { TaskRun } from "../resources.ts";
import { digest, nameOfDigest } from "./names.ts";

export interface Debounce {
  key: string;
  delaySeconds: number;
  /** Whose payload and options count: the first trigger's or the last one's. */
  mode: "leading" | "trailing";
  maxDelaySeconds?: number;
}

/** Requests that a run remembers having answered: one that is sent again must not count twice. */
const answeredKept = 50;

/** 64 hex digits that stand for the key in the bucket. */
export const debounceHash = (namespace: string, task: string, key: string): string =>
  digest("debounce", namespace, task, key);

export const debouncedRunName = (namespace: string, task: string, key: string, generation: number): string =>
  nameOfDigest("d", digest("debounced", namespace, task, key, String(generation)));

export const debounceGeneration = ({ spec }: TaskRun): number => spec.debounce?.generation ?? 0;

type DebounceStep =
  /** The run answers the trigger; it starts then (milliseconds since the epoch). */
  | { push: number }
  /** It has answered this very request before. */
  | { answered: true }
  /** The run cannot be moved any more: another one is needed. */
  | { another: true };

/** What a trigger means for the youngest run of its key. */
export function debounceStep(
  run: TaskRun,
  { delaySeconds, maxDelaySeconds }: Debounce,
  nowMs: number,
  request?: string,
): DebounceStep {
  if (request !== undefined && answeredBy(run).includes(short(request))) return { answered: true };
  const { phase } = run.status ?? {};
  const until = Date.parse(run.spec.delayUntil ?? "");
  if ((phase !== undefined && phase !== "Delayed") || run.spec.cancelRequested || !(until > nowMs))
    return { another: true };
  const next = Math.max(until, nowMs + delaySeconds * 1000);
  const latest = Date.parse(run.metadata.creationTimestamp ?? "") + (maxDelaySeconds ?? 0) * 1000;
  return maxDelaySeconds !== undefined && next > latest ? { another: true } : { push: next };
}

/** The annotation with one more request; the oldest ones are forgotten. */
export function withAnswered(run: TaskRun | undefined, request: string | undefined): Record<string, string> {
  const known = run ? answeredBy(run) : [];
  const all = request === undefined ? known : [...known, short(request)];
  return all.length > 0 ? { [debouncedRequestsAnnotation]: all.slice(-answeredKept).join(",") } : {};
}

const answeredBy = ({ metadata }: TaskRun): string[] =>
  (metadata.annotations?.[debouncedRequestsAnnotation] ?? "").split(",").filter((one) => one !== "");

const short = (request: string): string => digest("request", request).slice(0, 16);
