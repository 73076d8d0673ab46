/**
 * What the reconcilers share, composed once in controller.ts. Each takes a Pick of it, so that a test needs
 * no more.
 */
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import type { KubeClient } from "../kube/client/client.ts";
import type { Caches } from "../kube/manager/caches.ts";
import type { ObjectEvent } from "../kube/manager/controller.ts";
import type { KubeObject } from "../kube/resources.ts";
import type { RedisAdmission } from "../queue/redisAdmission.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import type { cacheDeclarations } from "./caches.ts";
import type { Environments } from "./namespace/environments.ts";
import type { NamespaceOwners } from "./namespace/owners.ts";
import type { TaskVersions } from "./task/taskVersions.ts";
import type { LogCaptures } from "./taskRun/attempt/captureLog.ts";
import type { EventProblems } from "./taskRun/attempt/eventProblems.ts";
import type { LastTold } from "./taskRun/attempt/lastTold.ts";
import type { LivePods } from "./taskRun/attempt/livePods.ts";
import type { Room } from "./taskRun/room.ts";
import type { Slots } from "./taskRun/slots.ts";

export interface Deps extends Caches<typeof cacheDeclarations> {
  client: KubeClient;
  admission: RedisAdmission;
  environments: Environments;
  owners: NamespaceOwners;
  versions: TaskVersions;
  slots: Slots;
  room: Room;
  livePods: LivePods;
  jobProblems: EventProblems;
  logs: LogCaptures;
  lastTold: LastTold;
  /** Why pods do not start on their nodes. */
  podProblems: EventProblems;
  /** What autoscalers make room for. */
  scaleUps: EventProblems;
  /** Records an Event of an object that no controller's `events` speak of. */
  record: (object: KubeObject, event: ObjectEvent) => void;
  /** Objects of the bucket that the sweeper deleted since the process began. */
  sweepStats: { deleted: number };
  store: ObjectStore;
  config: Config;
  log: Logger;
  /** Milliseconds since the epoch. */
  clock: () => number;
  /** In [0, 1); seeded by tests. */
  random: () => number;
}

export const isoNow = (deps: { clock: () => number }): string => new Date(deps.clock()).toISOString();
