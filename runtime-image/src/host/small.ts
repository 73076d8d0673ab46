/** Slots of a few lines each: locals, heartbeats, idempotency keys, clock, trace context, timeline. */

interface LocalKey {
  id: string;
  __type: symbol;
}

/** "locals": values of the attempt, by key. An id is one key, however often it is created. */
export function localsSlot() {
  const values = new Map<symbol, unknown>();
  return {
    createLocal: (id: string): LocalKey => ({ id, __type: Symbol.for(id) }),
    getLocal: (key: LocalKey): unknown => values.get(key.__type),
    setLocal: (key: LocalKey, value: unknown): void => void values.set(key.__type, value),
  };
}

const yieldEveryMs = 1000;

/** "heartbeats": nobody misses ours, but a loop that yields lets timers and signals have their turn. */
export function heartbeatsSlot() {
  let last = Date.now();
  return {
    lastHeartbeat: undefined as Date | undefined,
    async yield(): Promise<void> {
      if (Date.now() - last < yieldEveryMs) return;
      await new Promise((resolve) => setImmediate(resolve));
      last = Date.now();
      this.lastHeartbeat = new Date(last);
    },
    startHeartbeat(): void {},
    stopHeartbeat(): void {},
    reset(): void {},
  };
}

const keysKept = 10_000;

/** "idempotency-key-catalog": the key and scope of each hash that was made; the oldest is dropped first. */
export function idempotencyKeysSlot() {
  const keys = new Map<string, unknown>();
  return {
    registerKeyOptions(hash: string, options: unknown): void {
      if (keys.size >= keysKept) keys.delete(keys.keys().next().value ?? "");
      keys.set(hash, options);
    },
    getKeyOptions: (hash: string): unknown => keys.get(hash),
    clear: (): void => keys.clear(),
  };
}

/** "clock": seconds and nanoseconds since the epoch, that never go back. */
export const clockSlot = {
  preciseNow(): [number, number] {
    const ms = performance.timeOrigin + performance.now();
    const seconds = Math.floor(ms / 1000);
    return [seconds, Math.floor((ms - seconds * 1000) * 1e6)];
  },
  reset(): void {},
};

/** "trace-context": no trace comes with a run. */
export const traceContextSlot = {
  getTraceContext: (): Record<string, unknown> => ({}),
  getExternalTraceContext: (): undefined => undefined,
  withExternalTrace: <T>(work: () => T): T => work(),
  reset(): void {},
};

/** "run-timeline-metrics": read by nobody. */
export const timelineSlot = {
  registerMetric(): void {},
  getMetrics: (): unknown[] => [],
};
