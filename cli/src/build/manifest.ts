/** What a build of a project is made of: the worker (worker.ts) writes it, `deploy` reads it. No imports. */
export interface BuildManifest {
  root: string;
  configFile?: string;
  /** Of everything that was written, relative to the build's folder. */
  files: string[];
  /** Task file, relative to the root → its module. */
  entries: Record<string, string>;
  /** Packages that are left out of the bundle, with the versions that are installed. */
  externals: { name: string; version: string; folder: string }[];
  warnings: string[];
  /** Every file that was read, and how it was then: `mtime:size`. */
  inputs: Record<string, string>;
  /** When the first of them was read, in milliseconds since the epoch. */
  startedAtMs: number;
  /** What build extensions ask for. */
  layers: Layer[];
  defaults: Defaults;
}

/** Upstream's BuildLayer, as far as it matters here. */
export interface Layer {
  extension: string;
  dependencies?: Record<string, string>;
  commands?: string[];
  /** They need an image. */
  packages?: string[];
  instructions?: string[];
  env?: Record<string, string>;
}

/** What the config says for every task that does not say it itself. */
export interface Defaults {
  maxDuration?: number;
  machine?: string;
  ttl?: string | number;
  retry?: object;
}
