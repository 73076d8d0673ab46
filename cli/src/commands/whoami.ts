/** `fairlead whoami`: which API, which namespace, and where both are from. */
import type { Command } from "commander";
import { call } from "../api.ts";
import { calling } from "../command.ts";
import { printResult } from "../output.ts";
import { print } from "../terminal.ts";

export function addWhoami(program: Command): void {
  program
    .command("whoami")
    .description("which API and namespace the key opens, and where it is from")
    .action(
      calling(async ({ api, format }) => {
        const claims = await call<Record<string, unknown>>(api, {
          method: "POST",
          path: "/api/v1/auth/jwt/claims",
          body: {},
        });
        const namespace = String(claims.sub ?? "");
        const key = `${api.secretKey.slice(0, 8)}…`;
        printResult({ baseURL: api.baseURL, namespace, key, source: api.source }, format, () => {
          print(`API        ${api.baseURL}`);
          print(`Namespace  ${namespace}`);
          print(`Key        ${key}, from ${api.source}`);
        });
      }),
    );
}
