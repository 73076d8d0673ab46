/**
 * Machine presets, from the smallest to the largest: Trigger.dev's names. jobs/machine.ts has their sizes.
 */
export const machineNames = [
  "micro",
  "small-1x",
  "small-2x",
  "medium-1x",
  "medium-2x",
  "large-1x",
  "large-2x",
] as const;

/** Name of a machine preset. */
export type MachineName = (typeof machineNames)[number];
