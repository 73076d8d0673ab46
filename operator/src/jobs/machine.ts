/**
 * Machine presets as container resources. Memory is a hard limit; CPU is only requested: a CPU limit would
 * throttle start-up on an otherwise idle node and gains nothing that the scheduler's request does not give.
 */
import type { MachineName } from "@fairlead/protocol/machines";
import type { V1ResourceRequirements } from "@kubernetes/client-node";

const presets: Record<MachineName, { cpu: string; memory: string }> = {
  micro: { cpu: "250m", memory: "250M" },
  "small-1x": { cpu: "500m", memory: "500M" },
  "small-2x": { cpu: "1", memory: "1G" },
  "medium-1x": { cpu: "1", memory: "2G" },
  "medium-2x": { cpu: "2", memory: "4G" },
  "large-1x": { cpu: "4", memory: "8G" },
  "large-2x": { cpu: "8", memory: "16G" },
};

export function machineResources(name: MachineName | undefined): V1ResourceRequirements {
  if (!name) return { requests: { cpu: "50m", memory: "64M" }, limits: { memory: "500M" } };
  const { cpu, memory } = presets[name];
  return { requests: { cpu, memory }, limits: { memory } };
}
