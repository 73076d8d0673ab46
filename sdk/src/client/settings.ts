/**
 * Where the API is and who asks: `configure()`, else TRIGGER_API_URL and TRIGGER_SECRET_KEY. There is no default URL: what
 * is missing is named by the first call that needs it. `auth.withAuth` replaces them for what it calls.
 */
import type { AsyncLocalStorage } from "node:async_hooks";

/** Settings of the client. */
export interface ClientSettings {
  /** Address of the API. Default: TRIGGER_API_URL. */
  baseURL?: string;
  /** A secret key (`tr_…`). Default: TRIGGER_SECRET_KEY. */
  secretKey?: string;
  /** A public token, in place of the secret key. */
  accessToken?: string;
}

/** A setting is missing; the message names it. */
export class MissingSettingError extends Error {
  override readonly name = "MissingSettingError";
}

let configured: ClientSettings = {};
/** Made by the first `withSettings`: an import that every task would wait for. */
let scoped: AsyncLocalStorage<ClientSettings> | undefined;

/** Sets where the API is and who asks, for the whole process. */
export function configure(settings: ClientSettings): void {
  configured = { ...configured, ...settings };
}

/** Calls `work` with other settings: whatever it awaits uses them. */
export async function withSettings<T>(settings: ClientSettings, work: () => Promise<T>): Promise<T> {
  scoped ??= new (await import("node:async_hooks")).AsyncLocalStorage();
  return scoped.run({ baseURL: current().baseURL, ...settings }, work);
}

const current = (): ClientSettings => scoped?.getStore() ?? configured;

/** The settings in force, complete. */
export function settingsInForce(): { baseURL: string; token: string } {
  const { baseURL = process.env.TRIGGER_API_URL, accessToken, secretKey } = current();
  const token = accessToken ?? secretKey ?? process.env.TRIGGER_SECRET_KEY;
  if (!baseURL) {
    throw new MissingSettingError(
      "The API's address is not known: set TRIGGER_API_URL, or call configure({ baseURL }). There is no default.",
    );
  }
  if (!token) {
    throw new MissingSettingError(
      "There is no key: set TRIGGER_SECRET_KEY, or call configure({ secretKey }).",
    );
  }
  return { baseURL: baseURL.replace(/\/+$/, ""), token };
}
