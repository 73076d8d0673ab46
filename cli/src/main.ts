#!/usr/bin/env node
/**
 * `fairlead`. As `kubectl-fairlead` in PATH it is kubectl's plugin `kubectl fairlead`. Ctrl-C ends it with
 * 130; what the command opened (port-forwards, child processes) ends with it.
 */
import { CommanderError } from "commander";
import { exitCodeOf, exitCodes } from "./errors.ts";
import { buildProgram } from "./program.ts";
import { paint, say } from "./terminal.ts";
import { version } from "./version.ts";

// `fairlead runs list | head`: the reader is gone, nothing is wrong.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
});
process.once("SIGINT", () => process.exit(exitCodes.interrupted));

try {
  await buildProgram(version).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
  else {
    say(`${paint("red", "error:", process.stderr)} ${(error as Error).message}`);
    if (process.env.FAIRLEAD_DEBUG) say(String((error as Error).stack));
    process.exitCode = exitCodeOf(error);
  }
}
