/**
 * Machine presets as container resources. Memory is a hard limit; CPU is only requested: a CPU limit would
 * throttle start-up on an otherwise idle node and gains nothing that the scheduler's request does not give.
 */
import type { MachineName } from "@fairlead/protocol/machines";
import type { V1ResourceRequirements } from "@kubernetes/client-node";
import { quantity } from "./quantity.ts";

const presets: Record<MachineName, { cpu: string; memory: string }> = {
  micro: { cpu: "250m", memory: "250M" },
  "small-1x": { cpu: "500m", memory: "500M" },
  "small-2x": { cpu: "1", memory: "1G" },
  "medium-1x": { cpu: "1", memory: "2G" },
  "medium-2x": { cpu: "2", memory: "4G" },
  "large-1x": { cpu: "4", memory: "8G" },
  "large-2x": { cpu: "8", memory: "16G" },
};

/**
 * The resources of an attempt after one that was out of memory: the larger machine's CPU and memory, and what
 * else was asked for (a GPU).
 */
export function raisedResources(
  explicit: V1ResourceRequirements | undefined,
  name: MachineName,
): V1ResourceRequirements {
  const { requests, limits } = machineResources(name);
  return {
    ...explicit,
    requests: { ...others(explicit?.requests), ...requests },
    limits: { ...others(explicit?.limits), ...limits },
  };
}

function others(amounts: Record<string, string> = {}): Record<string, string> {
  const { cpu: _cpu, memory: _memory, ...rest } = amounts;
  return rest;
}

/** Whether the machine has more memory than the container may use now; without a limit no machine has. */
export function isLarger(name: MachineName, present: V1ResourceRequirements): boolean {
  const limit = present.limits?.memory;
  return limit !== undefined && quantity(presets[name].memory) > quantity(limit);
}

export function machineResources(name: MachineName | undefined): V1ResourceRequirements {
  if (!name) return { requests: { cpu: "50m", memory: "64M" }, limits: { memory: "500M" } };
  const { cpu, memory } = presets[name];
  return { requests: { cpu, memory }, limits: { memory } };
}
