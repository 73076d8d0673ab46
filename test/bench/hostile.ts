/**
 * `npm run bench -- hostile`: one namespace attacks a replica of the API in each of the ways of
 * hostileWays.ts at full rate; what that does to another one's triggers, one after the other, as a ratio of
 * quantiles to those before and after it. The replica has the heap of a container of 768 MiB, and API server
 * and bucket of its own. The attack comes from a process of its own, which has the lowest priority: it stands
 * for another machine. Replica, API server and bucket share this one, and are in the figures.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants, setPriority } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ApiProcess, other } from "../support/servers/apiProcess.ts";
import { ways } from "./hostileWays.ts";

const heapMiB = 562;
const retired = 2_000;
/** Triggers of each phase, and the pause after each. */
const [triggers, pauseMs, warmUpMs] = [200, 10, 2_000];
const attacker = fileURLToPath(new URL("./hostileWays.ts", import.meta.url));

export async function hostileBench(): Promise<void> {
  console.log(`${triggers} triggers a phase; milliseconds: before and after, under attack, ratio\n`);
  console.log("attack       p50 quiet  p50        p99 quiet  p99        p50 ratio  p99 ratio  refused");
  for (const way of Object.keys(ways)) {
    const api = await ApiProcess.start(heapMiB, retired);
    try {
      await measured(api, 50);
      const quiet = await measured(api, triggers / 2);
      const hostile = spawn(process.execPath, [attacker, way, api.url], {
        stdio: ["pipe", "ignore", "inherit"],
      });
      if (hostile.pid !== undefined) setPriority(hostile.pid, constants.priority.PRIORITY_LOW);
      await pause(warmUpMs);
      const attacked = await measured(api, triggers);
      await ended(hostile);
      await pause(warmUpMs);
      quiet.latencies.push(...(await measured(api, triggers / 2)).latencies);
      report(way, quiet.latencies, attacked.latencies, attacked.refused);
      if (!api.isAlive) console.log("             the replica is dead");
    } finally {
      await api.stop();
    }
  }
}

async function ended(hostile: ChildProcess): Promise<void> {
  const exited = once(hostile, "exit");
  hostile.stdin?.end();
  await exited;
}

async function measured(api: ApiProcess, count: number) {
  const latencies: number[] = [];
  let refused = 0;
  for (let n = 0; n < count; n++) {
    const begun = performance.now();
    const answer = await fetch(`${api.url}/api/v1/tasks/echo/trigger`, {
      method: "POST",
      headers: { authorization: `Bearer ${other.key}`, "content-type": "application/json" },
      body: JSON.stringify({ payload: { n }, options: { delay: "1h" } }),
    });
    await answer.text();
    latencies.push(performance.now() - begun);
    if (answer.status !== 200) refused++;
    await pause(pauseMs);
  }
  return { latencies, refused };
}

function report(way: string, quiet: number[], attacked: number[], refused: number): void {
  const cells = [0.5, 0.99].flatMap((q) => [quantile(quiet, q), quantile(attacked, q)]);
  const ratios = [0.5, 0.99].map((q) => (quantile(attacked, q) / quantile(quiet, q)).toFixed(2));
  const row = [...cells.map((cell) => cell.toFixed(1)), ...ratios, String(refused)];
  console.log(`${way.padEnd(13)}${row.map((cell) => cell.padEnd(11)).join("")}`);
}

function quantile(list: readonly number[], q: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
