/** Durations as options write them: `10s`, `1h30m`, `2d`. Trigger.dev's form. */
export const durationPattern = /^(\d+(w|d|hr|h|m|s))+$/;
