/** Counts the calls of an object's methods from now on; returns those since it was last asked. */
export function countCalls<T extends object, M extends keyof T & string>(
  target: T,
  methods: readonly M[],
): () => Record<string, number> {
  let counts: Record<string, number> = {};
  for (const method of methods) {
    const call = target[method] as (...args: unknown[]) => unknown;
    const counted = (...args: unknown[]): unknown => {
      counts[method] = (counts[method] ?? 0) + 1;
      return call.apply(target, args);
    };
    Object.defineProperty(target, method, { value: counted });
  }
  return () => {
    const taken = counts;
    counts = {};
    return taken;
  };
}
