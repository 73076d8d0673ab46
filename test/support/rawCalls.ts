/** Calls as anybody can send them, and tokens as a client signs them: no SDK stands in between. */
import { SignJWT } from "jose";
import { type ApiReplica, key, namespace } from "./servers/apiReplica.ts";

const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3600;
let made = 0;
/** A token unlike all others. */
export const signedToken = (scopes: string[], claims: object = {}, signedWith = key): Promise<string> =>
  new SignJWT({ pub: true, sub: namespace, scopes, jti: String(++made), exp: inAnHour(), ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer("https://id.trigger.dev")
    .setAudience("https://api.trigger.dev")
    .sign(new TextEncoder().encode(signedWith));

interface Answer {
  status: number;
  /** Of the header x-trigger-jwt. */
  jwt: string | null;
  body: Record<string, unknown> & { id: string; isCached: boolean; data: { id: string }[] };
}

export class RawCalls {
  /** Set before the first call. */
  api!: ApiReplica;

  send = async (
    bearer: string,
    method: string,
    path: string,
    body?: unknown,
    more: object = {},
  ): Promise<Answer> => {
    const headers = { authorization: `Bearer ${bearer}`, ...more };
    const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
    const answer = await this.api.fetch(path, { method, headers, body: text });
    const read = (await answer.json().catch(() => ({}))) as Answer["body"];
    return { status: answer.status, jwt: answer.headers.get("x-trigger-jwt"), body: read };
  };

  statusOf = async (bearer: string, method: string, path: string, body?: unknown): Promise<number> =>
    (await this.send(bearer, method, path, body)).status;

  trigger = (bearer: string, options: object = {}, more: object = {}, task = "echo"): Promise<Answer> =>
    this.send(bearer, "POST", `/api/v1/tasks/${task}/trigger`, { payload: { card: 41111 }, options }, more);
}
