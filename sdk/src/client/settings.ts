/**
 * Where the API is and who asks: `configure()`, else TRIGGER_API_URL and TRIGGER_SECRET_KEY. There is no default URL: what
 * is missing is named by the first call that needs it. `auth.withAuth` replaces them for what it calls. A key that is given and
 * undefined, as the token of a user who has none, is missing: the environment's key does not take its place.
 */
import type { AsyncLocalStorage } from "node:async_hooks";
import { MissingSettingError } from "../errors.ts";

/** Settings of the client. */
export interface ClientSettings {
  /** Address of the API. Default: TRIGGER_API_URL. */
  baseURL?: string;
  /** A secret key (`tr_…`). Default: TRIGGER_SECRET_KEY. */
  secretKey?: string;
  /** A public token, in place of the secret key. */
  accessToken?: string;
}

const keyNames = ["accessToken", "secretKey"] as const;
let configured: ClientSettings = {};
/** Made by the first `withSettings`: an import that every task would wait for. */
let scoped: AsyncLocalStorage<ClientSettings> | undefined;

/**
 * Sets where the API is and who asks, for the whole process. A key replaces the one before, be it a secret key or a token;
 * `secretKey: undefined` leads back to the environment's.
 */
export function configure(settings: ClientSettings): void {
  const before = keyNames.some((name) => name in settings) ? { baseURL: configured.baseURL } : configured;
  configured = { ...before, ...settings };
  if (configured.secretKey === undefined) delete configured.secretKey;
}

/** Calls `work` with other settings: whatever it awaits uses them. */
export async function withSettings<T>(settings: ClientSettings, work: () => Promise<T>): Promise<T> {
  scoped ??= new (await import("node:async_hooks")).AsyncLocalStorage();
  return scoped.run({ baseURL: current().baseURL, ...settings }, work);
}

const current = (): ClientSettings => scoped?.getStore() ?? configured;

/** The settings in force, complete. */
export function settingsInForce(): { baseURL: string; token: string } {
  const settings = current();
  const { baseURL = process.env.TRIGGER_API_URL, accessToken, secretKey } = settings;
  const named = keyNames.find((name) => name in settings);
  const token = named === undefined ? process.env.TRIGGER_SECRET_KEY : (accessToken ?? secretKey);
  if (!baseURL) {
    throw new MissingSettingError(
      "The API's address is not known: set TRIGGER_API_URL, or call configure({ baseURL }). There is no default.",
    );
  }
  if (!token) {
    throw new MissingSettingError(
      named === undefined
        ? "There is no key: set TRIGGER_SECRET_KEY, or call configure({ secretKey })."
        : `There is no key: ${named} is given, but empty. Leave it out for TRIGGER_SECRET_KEY.`,
    );
  }
  return { baseURL: baseURL.replace(/\/+$/, ""), token };
}
