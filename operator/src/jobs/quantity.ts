/** Kubernetes quantities as numbers: `500m`, `2G`, `512Mi`, `1e3`. */

const factors: Record<string, number> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** NaN for what is no quantity. */
export function quantity(text: string | number): number {
  const [, number = "", suffix = ""] =
    /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)(\w*)$/.exec(String(text).trim()) ?? [];
  return number === "" ? Number.NaN : Number(number) * (factors[suffix] ?? Number.NaN);
}
