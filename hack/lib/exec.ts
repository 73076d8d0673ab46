/**
 * Child processes. `run` fails when the command fails, with the end of its output in the message; `tryRun`
 * never fails because of an exit code. Neither goes through a shell. Captured output is bounded; its end is
 * kept.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, createWriteStream, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

const maxCapturedBytes = 16 * 1024 * 1024;

interface ExecOptions {
  cwd?: string;
  /** Added to this process's environment; `undefined` removes a variable. */
  env?: Record<string, string | undefined>;
  /** Written to the command's standard input, which is empty otherwise. */
  input?: string | Uint8Array;
  timeoutMs?: number;
  /** Called with each line of stdout and stderr as it comes. */
  onLine?: (line: string) => void;
  /** Stdout and stderr are also appended to this file. */
  logFile?: string;
  signal?: AbortSignal;
}

export interface ExecResult {
  /** Exit code; -1 for a command that a signal ended. */
  code: number;
  stdout: string;
  stderr: string;
}

export class ExecError extends Error {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;

  constructor(command: string, result: ExecResult, why = `exit code ${result.code}`) {
    const said = (result.stderr.trim() || result.stdout.trim()).split("\n").slice(-15).join("\n");
    super(`${command}: ${why}${said ? `\n${said}` : ""}`);
    this.name = "ExecError";
    this.code = result.code;
    this.stdout = result.stdout;
    this.stderr = result.stderr;
  }
}

export async function run(command: string, args: readonly string[], options: ExecOptions = {}) {
  const result = await tryRun(command, args, options);
  if (result.code !== 0) throw new ExecError(describe(command, args), result);
  return result;
}

export function tryRun(
  command: string,
  args: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: environment(options.env),
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      signal: options.signal,
    });
    const stdout = capture(child.stdout);
    const stderr = capture(child.stderr);
    follow(child, options);
    let timedOut = false;
    const timer = options.timeoutMs
      ? setTimeout(() => {
          timedOut = true;
          child.kill("SIGKILL");
        }, options.timeoutMs)
      : undefined;
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(new Error(`${describe(command, args)}: ${error.message}`));
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      const result = { code: code ?? -1, stdout: stdout(), stderr: stderr() };
      if (timedOut) {
        reject(new ExecError(describe(command, args), result, `no end after ${options.timeoutMs} ms`));
      } else resolve(result);
    });
    if (options.input !== undefined) {
      child.stdin?.on("error", () => {}); // the command may end without reading all of it
      child.stdin?.end(options.input);
    }
  });
}

/** Runs the command on this process's terminal; resolves to the exit code. */
export function runInherited(
  command: string,
  args: readonly string[],
  options: Pick<ExecOptions, "cwd" | "env"> = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: environment(options.env),
      stdio: "inherit",
    });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? -1));
  });
}

/** The full path of an executable on PATH, or undefined. */
export function which(name: string, path: string = process.env.PATH ?? ""): string | undefined {
  // The sbin folders are not on every user's PATH, but hold iptables, ip and runc on Debian.
  for (const dir of [...path.split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"]) {
    if (!dir) continue;
    const file = join(dir, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // not here
    }
  }
  return undefined;
}

function describe(command: string, args: readonly string[]): string {
  const text = [command, ...args].join(" ");
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

function environment(changes: ExecOptions["env"]): NodeJS.ProcessEnv {
  const env = { ...process.env, ...changes };
  for (const [key, value] of Object.entries(env)) if (value === undefined) delete env[key];
  return env;
}

function capture(stream: ChildProcess["stdout"]): () => string {
  let chunks: Buffer[] = [];
  let size = 0;
  stream?.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size > 2 * maxCapturedBytes) {
      chunks = [Buffer.concat(chunks).subarray(-maxCapturedBytes)];
      size = maxCapturedBytes;
    }
  });
  return () => Buffer.concat(chunks).subarray(-maxCapturedBytes).toString("utf8");
}

function follow(child: ChildProcess, options: ExecOptions): void {
  const log = options.logFile ? createWriteStream(options.logFile, { flags: "a" }) : undefined;
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    if (options.onLine) createInterface({ input: stream }).on("line", options.onLine);
    if (log) stream.on("data", (chunk: Buffer) => log.write(chunk));
  }
  if (log) child.on("close", () => log.end());
}
