/**
 * kubectl as a child process: the one way to the cluster, so that contexts, exec plugins and proxies are as
 * the user has them. Its own message is the error.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { CommandError, exitCodes } from "./errors.ts";

const outputLimit = 64 * 1024 * 1024;
/** They end with this process, however it ends. */
const children = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of children) child.kill();
});

/** Standard output of `kubectl ARGS`. */
export async function kubectl(args: readonly string[], input?: string): Promise<string> {
  const child = start(args);
  const out: Buffer[] = [];
  const errors: Buffer[] = [];
  let bytes = 0;
  child.stdout?.on("data", (data: Buffer) => {
    bytes += data.length;
    if (bytes > outputLimit) child.kill();
    else out.push(data);
  });
  child.stderr?.on("data", (data: Buffer) => {
    if (errors.length < 100) errors.push(data);
  });
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input ?? "");
  const code = await exitOf(child);
  if (code === 0) return Buffer.concat(out).toString("utf8");
  throw new CommandError(
    `kubectl ${args[0]}: ${reasonOf(Buffer.concat(errors)) || `ended with ${code}`}`,
    exitCodes.connection,
  );
}

/** Port of this machine that leads to `target`, such as `service/fairlead-api`; until it is disposed of. */
export async function portForward(
  args: readonly string[],
  target: string,
  port: number,
): Promise<AsyncDisposable & { port: number }> {
  const child = start(["port-forward", ...args, target, `:${port}`]);
  const close = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill();
    await ended;
  };
  let errors = "";
  child.stderr?.on("data", (data: Buffer) => {
    errors = (errors + data.toString()).slice(-4096);
  });
  const ended = exitOf(child).then((code) => {
    const reason = errors.trim() || `ended with ${code}`;
    throw new CommandError(`kubectl port-forward ${target}: ${reason}`, exitCodes.connection);
  });
  ended.catch(() => undefined);
  const line = once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
  const [text] = (await Promise.race([line, ended])) as [string];
  child.stdout?.resume();
  const local = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
  if (local) return { port: Number(local), [Symbol.asyncDispose]: close };
  await close();
  throw new CommandError(`kubectl port-forward ${target}: it printed no port: ${text}`, exitCodes.connection);
}

/** What kubectl says at last; the lines of its log before that are of no help. */
const reasonOf = (errors: Buffer): string =>
  errors
    .toString("utf8")
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^[EWI]\d{4} /.test(line))
    .slice(-3)
    .join(" ")
    .replace(/^error: /i, "");

function start(args: readonly string[]): ChildProcess {
  const child = spawn("kubectl", args, { stdio: ["pipe", "pipe", "pipe"] });
  children.add(child);
  child.once("close", () => children.delete(child));
  return child;
}

async function exitOf(child: ChildProcess): Promise<number | string> {
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    return code ?? signal ?? -1;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const reason = missing ? "kubectl is not installed, or not in PATH" : (error as Error).message;
    throw new CommandError(
      `${reason}; without it, set TRIGGER_API_URL and TRIGGER_SECRET_KEY`,
      exitCodes.connection,
    );
  }
}
