/**
 * The API's address and the caller's key: from `configure()`, else within a run the attempt's own, else from
 * TRIGGER_API_URL and TRIGGER_SECRET_KEY. There is no default address. The first call that needs a missing
 * setting fails with its name. `auth.withAuth` replaces the settings for the function that it calls. A key
 * that is given as undefined (the token of a user who has none) is missing: the environment's key does not
 * take its place.
 */
import type { AsyncLocalStorage } from "node:async_hooks";
import { anything, type Check, checkOptions, shown } from "../checks.ts";
import { InvalidOptionError, MissingSettingError } from "../errors.ts";
import { slot } from "../slots.ts";

/** Settings of the client. */
export interface ClientSettings {
  /** Address of the API. Default: TRIGGER_API_URL. */
  baseURL?: string;
  /** A secret key (`tr_…`). Default: TRIGGER_SECRET_KEY. */
  secretKey?: string;
  /** A public token, in place of the secret key. */
  accessToken?: string;
}

const table = { baseURL: anything, secretKey: anything, accessToken: anything } satisfies Record<
  keyof ClientSettings,
  Check
>;
const keyNames = ["accessToken", "secretKey"] as const;
let configured: ClientSettings = {};
/** Created by the first `withSettings`: every start of a task would wait for this import. */
let scoped: AsyncLocalStorage<ClientSettings> | undefined;

/**
 * Sets the API's address and the key for the whole process. A secret key or token replaces the one before;
 * `secretKey: undefined` restores the environment's key.
 */
export function configure(settings: ClientSettings): void {
  checkOptions(settings, table);
  const before = keyNames.some((name) => name in settings) ? { baseURL: configured.baseURL } : configured;
  configured = { ...before, ...settings };
  if (configured.secretKey === undefined) delete configured.secretKey;
}

/** Calls `work` with other settings; everything that it awaits uses them. */
export async function withSettings<T>(settings: ClientSettings, work: () => Promise<T>): Promise<T> {
  checkOptions(settings, table);
  scoped ??= new (await import("node:async_hooks")).AsyncLocalStorage();
  return scoped.run({ baseURL: current().baseURL, ...settings }, work);
}

const current = (): ClientSettings => scoped?.getStore() ?? configured;

/** The settings in force, complete. */
export function settingsInForce(): { baseURL: string; token: string } {
  const settings = current();
  // Within a run: the attempt's own access.
  const host = slot<ClientSettings>("api-client");
  const { baseURL = host?.baseURL ?? process.env.TRIGGER_API_URL, accessToken, secretKey } = settings;
  const named = keyNames.find((name) => name in settings);
  const given = host?.accessToken ?? host?.secretKey ?? process.env.TRIGGER_SECRET_KEY;
  const token = named === undefined ? given : (accessToken ?? secretKey);
  if (!baseURL) {
    throw new MissingSettingError(
      "baseURL: not set, and there is no default; set TRIGGER_API_URL, or call configure({ baseURL })",
    );
  }
  if (!isAddress(baseURL)) {
    const name = settings.baseURL === undefined ? "TRIGGER_API_URL" : "baseURL";
    throw new InvalidOptionError(
      name,
      `${shown(baseURL)} is no address; it must begin with http:// or https://`,
    );
  }
  if (!token) {
    throw new MissingSettingError(
      named === undefined
        ? "secretKey: not set; set TRIGGER_SECRET_KEY, or call configure({ secretKey })"
        : `${named}: given, but empty; leave it out to use TRIGGER_SECRET_KEY`,
    );
  }
  return { baseURL: baseURL.replace(/\/+$/, ""), token };
}

/** `localhost:8080` is a URL, too: of the scheme "localhost". */
const isAddress = (text: string): boolean => /^https?:\/\//i.test(text) && URL.canParse(text);
