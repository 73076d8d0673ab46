/**
 * The long-running processes of the built-in cluster. Each has a record on disk: pid, start time (a pid alone
 * may have been reused), and a hash of its command line and inputs. `ensureProcess` is level-triggered: it
 * keeps a process that is alive, has the same hash and is in its network namespace; otherwise it starts the
 * process again.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../../lib/wait.ts";
import { hash } from "./hash.ts";
import { netnsPath } from "./netns.ts";
import { type ClusterPaths, writeFileAtomic } from "./state.ts";

const maxLogBytes = 20 * 1024 * 1024;

export interface ProcessSpec {
  name: string;
  command: string;
  args: readonly string[];
  /** Network namespace to run in. Mounts stay shared, so that kubelet and containerd see the same ones. */
  netns: string;
  cwd?: string;
  /** Contents that the process reads only at its start: it is restarted when they change. */
  inputs?: readonly string[];
}

export interface ProcessRecord {
  pid: number;
  /** Clock ticks after boot, field 22 of /proc/<pid>/stat. */
  startTime: string;
  spec: string;
}

export type Ensured = "kept" | "started" | "restarted";

export async function ensureProcess(paths: ClusterPaths, spec: ProcessSpec): Promise<Ensured> {
  const key = hash(spec.command, ...spec.args, spec.netns, ...(spec.inputs ?? []));
  const record = readRecord(paths, spec.name);
  const alive = record !== undefined && isAlive(record);
  if (alive && record.spec === key && isInNamespace(record.pid, spec.netns)) return "kept";
  if (alive) await stopProcesses([record], 2000);
  start(paths, spec, key);
  return record ? "restarted" : "started";
}

function start(paths: ClusterPaths, spec: ProcessSpec, key: string): void {
  const logFile = logPath(paths, spec.name);
  if (existsSync(logFile) && statSync(logFile).size > maxLogBytes) renameSync(logFile, `${logFile}.1`);
  const log = openSync(logFile, "a");
  // Not `ip netns exec`, which mounts a new /sys without the cgroups.
  const child = spawn("nsenter", [`--net=${netnsPath(spec.netns)}`, "--", spec.command, ...spec.args], {
    cwd: spec.cwd ?? paths.dir,
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  child.on("error", () => {}); // counts as a process that is not alive
  child.unref();
  if (child.pid === undefined) throw new Error(`${spec.name}: nsenter could not be started`);
  const startTime = readStartTime(child.pid) ?? "ended";
  const record: ProcessRecord = { pid: child.pid, startTime, spec: key };
  writeFileAtomic(recordPath(paths, spec.name), JSON.stringify(record));
}

export function logPath(paths: ClusterPaths, name: string): string {
  return join(paths.log, `${name}.log`);
}

/** The last lines of a process's log, for the message of an error. */
function logTail(paths: ClusterPaths, name: string, lines = 8): string {
  const file = logPath(paths, name);
  try {
    const tail = readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines);
    return `${file} ends with:\n${tail.map((line) => `  ${line.slice(0, 300)}`).join("\n")}`;
  } catch {
    return `${file} does not exist`;
  }
}

/** For `waitFor`'s `failed`: a message once the process has ended. */
export function endedEarly(paths: ClusterPaths, name: string): () => string | undefined {
  return () => (isRunning(paths, name) ? undefined : `the process ended; ${logTail(paths, name)}`);
}

function isRunning(paths: ClusterPaths, name: string): boolean {
  const record = readRecord(paths, name);
  return record !== undefined && isAlive(record);
}

export function readRecord(paths: ClusterPaths, name: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordPath(paths, name), "utf8")) as ProcessRecord;
  } catch {
    return undefined;
  }
}

export function removeRecord(paths: ClusterPaths, name: string): void {
  rmSync(recordPath(paths, name), { force: true });
}

export function isAlive(record: ProcessRecord): boolean {
  return readStartTime(record.pid) === record.startTime;
}

/** Sends SIGTERM (unless `graceMs` is 0), then SIGKILL; returns when all have ended. */
export async function stopProcesses(records: readonly ProcessRecord[], graceMs: number): Promise<void> {
  const left = () => records.filter(isAlive);
  if (graceMs > 0) {
    for (const record of left()) signal(record, "SIGTERM");
    await waitFor("end of processes", () => left().length === 0, {
      timeoutMs: graceMs,
      intervalMs: 20,
    }).catch(() => {});
  }
  for (const record of left()) signal(record, "SIGKILL");
  await waitFor("end of killed processes", () => left().length === 0, { timeoutMs: 10_000, intervalMs: 20 });
}

function signal(record: ProcessRecord, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(record.pid, name);
  } catch {
    // has ended
  }
}

function recordPath(paths: ClusterPaths, name: string): string {
  return join(paths.records, `${name}.json`);
}

/** Undefined when there is no such process, or only its exit code is left (a zombie). */
export function readStartTime(pid: number): string | undefined {
  try {
    return parseStartTime(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return undefined;
  }
}

/** The program's name, second field, may hold spaces and parentheses. */
function parseStartTime(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function isInNamespace(pid: number, netns: string): boolean {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino === statSync(netnsPath(netns)).ino;
  } catch {
    return false;
  }
}
