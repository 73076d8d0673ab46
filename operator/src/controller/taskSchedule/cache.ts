/**
 * A TaskSchedule as the cache holds it: without a big payload, which is noted, and read from the API server
 * when a run is made of it.
 */
import type { KubeClient } from "../../kube/client/client.ts";
import { TaskSchedules } from "../../model/kinds.ts";
import { ownMetadata } from "../../model/ownMetadata.ts";
import type { TaskSchedule } from "../../model/resources.ts";

export interface CachedSchedule extends TaskSchedule {
  lacksPayload?: true;
}

const keptBytes = 2048;

/** The cache's transform. Applied to a cached schedule it changes nothing. */
export function toCachedSchedule(schedule: CachedSchedule): CachedSchedule {
  const { payload, ...spec } = schedule.spec;
  const kept = { ...schedule, metadata: ownMetadata(schedule.metadata) };
  if (payload === undefined || Buffer.byteLength(JSON.stringify(payload)) <= keptBytes) return kept;
  return { ...kept, spec, lacksPayload: true };
}

/** Undefined: the schedule has none. */
export async function payloadOf(
  client: Pick<KubeClient, "get">,
  schedule: CachedSchedule,
): Promise<TaskSchedule["spec"]["payload"]> {
  if (!schedule.lacksPayload) return schedule.spec.payload;
  const { namespace, name, uid } = schedule.metadata;
  const live = await client.get(TaskSchedules, namespace, name);
  if (live?.metadata.uid !== uid) throw new Error(`TaskSchedule ${namespace}/${name} was deleted meanwhile`);
  return live.spec.payload;
}
